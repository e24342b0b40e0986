"""A call that nobody answered tells the ids that it would have brought about."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from loadtests.city.health.people import people
from loadtests.driver.operation import Operation, World, attempts
from loadtests.driver.operations import cameras, health, sensors

_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)


class Silent:
    """A channel that answers nothing, or all, as `answer` says."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    def stream_unary(self, *_: Any, **__: Any) -> Any:
        async def call(*_: Any, **__: Any) -> Any:
            return self._answer()

        return call

    unary_unary = stream_stream = unary_stream = stream_unary


def _gone() -> Any:
    raise grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "gone"
    )


def _taken() -> Any:
    class Answer:
        problems: tuple[Any, ...] = ()
        results: tuple[Any, ...] = ()

    return Answer()


_WORLD = World({}, 1, settings={"detections_per_call": 3, "readings_per_call": 2})
_MAKERS: dict[str, Callable[[Any], Operation]] = {
    "detections": lambda channel: cameras.Detections(channel, _WORLD),
    "arson": lambda channel: cameras.Arsons(channel, _WORLD),
    "readings": lambda channel: sensors.Readings(channel, _WORLD),
}


@pytest.mark.parametrize("kind", _MAKERS)
async def test_what_was_attempted_is_what_would_have_been_acknowledged(kind: str) -> None:
    with attempts() as attempted:
        lost = await _MAKERS[kind](Silent(_gone))(_AT, 7)
    answered = await _MAKERS[kind](Silent(_taken))(_AT, 7)
    assert lost.status == "unknown"
    assert answered.status == "ok"
    assert {one.rpartition("/")[2] for one in attempted} == set(answered.acknowledged)
    assert attempted


async def test_a_session_that_was_ended_before_it_was_written_tells_why() -> None:
    class Ended:
        async def write(self, message: Any) -> None:
            raise asyncio.InvalidStateError("RPC already finished.")

        async def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.RESOURCE_EXHAUSTED

        async def details(self) -> str:
            return "full"

        def cancel(self) -> None:
            pass

    def session(**_: Any) -> Ended:
        return Ended()

    kiosk = health.Session(cast(grpc.aio.Channel, Silent(_taken)), _WORLD, [(people(1)[0], "t")])
    kiosk._stub = cast(Any, SimpleNamespace(Session=session))
    outcome = await kiosk(_AT, 0)
    assert (outcome.status, outcome.detail) == ("failed", "RESOURCE_EXHAUSTED: full")


async def test_runs_after_each_other_have_their_arsons_at_places_of_their_own() -> None:
    """Two at one place within two minutes are one incident. Runs of half a minute, ten a second."""
    places: list[str] = []
    for made_at in range(1_800_000_000, 1_800_000_120, 30):
        arson = cameras.Arsons(cast(Any, Silent(_taken)), World({}, 1, made_at=made_at))
        places += [(await arson(_AT, number)).key for number in range(300)]
    assert len(set(places)) == len(places)
