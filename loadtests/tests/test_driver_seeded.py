"""Runs of one seed: the choices are the same, and what must be new on a stack is new."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from city.health.v1 import kiosk_pb2

from loadtests.city.health.people import people
from loadtests.driver.operation import Operation, World
from loadtests.driver.operations import health
from loadtests.driver.operations.calling import Skew
from loadtests.driver.operations.template import Filling

_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
_LATER = _AT + timedelta(days=1, seconds=7)


class Kiosks:
    """Takes every session, and keeps what it was told."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.choices: list[object] = []

    def unary_unary(self, *_: Any, **__: Any) -> None:
        pass

    def stream_stream(self, *_: Any, **__: Any) -> Any:
        return lambda timeout: self

    async def write(self, message: kiosk_pb2.SessionRequest) -> None:
        if message.HasField("begin"):
            self.sessions.append(message.begin.session_id)
            self.choices.append(message.begin.kiosk_id)
        if message.HasField("measured"):
            measured = message.measured.measurement
            self.choices.append((measured.code, measured.value, measured.device_id))

    async def read(self) -> kiosk_pb2.SessionResponse:
        return kiosk_pb2.SessionResponse()

    async def done_writing(self) -> None:
        pass

    def cancel(self) -> None:
        pass


@pytest.mark.parametrize("make", [health.Session, health.Acute])
async def test_sessions_of_two_runs_are_alike_and_each_is_its_own(
    make: Callable[[Any, World, Any], Operation],
) -> None:
    runs = []
    for start in (_AT, _LATER):
        kiosks = Kiosks()
        operation = make(kiosks, World({}, 1), [(one, "token") for one in people(1)[:5]])
        for number in range(40):
            await operation(start + timedelta(seconds=number), number)
        runs.append(kiosks)
    first, second = runs
    assert first.choices == second.choices
    assert len(set(first.sessions) | set(second.sessions)) == 80


def test_a_templates_choices_are_the_same_and_its_uuid_is_not() -> None:
    first, second, again = (
        Filling.of(Random(1), Skew(100, 1), at, 12).values for at in (_AT, _LATER, _AT)
    )
    assert first == again
    assert {name for name in first if first[name] != second[name]} == {
        "uuid",
        "intended",
        "micros",
    }
