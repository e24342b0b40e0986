"""The open loop against a real gRPC server in this process, over its stalls and refusals."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from loadtests.driver.engine import Engine, Now
from loadtests.driver.history import Call, writing_history
from loadtests.driver.operation import Operation, Outcome, attempting
from loadtests.driver.operations.calling import refused
from loadtests.driver.result import INTERVALS
from loadtests.driver.schedule import Due
from loadtests.report.histograms import add, counts, read

_METHOD = "/test.Stall/Call"
_STALL_SECONDS = 1.0
_AT = 30
_CALLS = 200
_APART = 10_000


class Stalling:
    """A server that does not answer anybody for a second, from a call's coming on."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._open = asyncio.Event()
        self._open.set()
        self.began = self.ended = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def call(self, request: bytes, context: Any) -> bytes:
        if request == b"refuse":
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no")
        if request == str(_AT).encode() and not self.began:
            self.began = self._now()
            self._open.clear()
            self.tasks.append(asyncio.create_task(self._recover()))
        await self._open.wait()
        return request

    async def _recover(self) -> None:
        await asyncio.sleep(_STALL_SECONDS)
        self.ended = self._now()
        self._open.set()


class Calling:
    name = "stall"

    def __init__(self, channel: grpc.aio.Channel, seconds: float = 20) -> None:
        self._rpc: Any = channel.unary_unary(_METHOD)
        self._seconds = seconds

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        try:
            await self._rpc(str(number).encode(), timeout=self._seconds)
        except grpc.aio.AioRpcError as error:
            return refused(error)
        return Outcome("ok", acknowledged=(str(number),))


@asynccontextmanager
async def serving(now: Now) -> AsyncIterator[tuple[Stalling, grpc.aio.Channel]]:
    stalling = Stalling(now)
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(stalling.call)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Stall", {"Call": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            yield stalling, channel
        finally:
            await server.stop(None)


def _dues(calls: int = _CALLS) -> Iterator[Due]:
    return (Due(number * _APART, "stall", number) for number in range(calls))


async def _driven(folder: Path, in_flight: int) -> tuple[Stalling, list[Call], dict[str, int]]:
    """The server, its calls, and how many values of each measure lie above the stall's half."""
    now = Now()
    ended: list[Call] = []
    async with serving(now) as (stalling, channel):
        with writing_history(folder, now() / 1_000_000) as history:

            def told(call: Call) -> None:
                ended.append(call)
                history.add(call)

            engine = Engine({"stall": Calling(channel)}, told, now, in_flight)
            await engine.run(_dues(), now() + 100_000)
            await engine.drain(30)
    totals: dict[str, Any] = {}
    for interval in read(folder / INTERVALS):
        add(totals, interval.tag.rpartition("|")[2], interval.histogram)
    half = _STALL_SECONDS * 500_000
    slow = {
        measure: sum(n for value, n in counts(histogram) if value >= half)
        for measure, histogram in totals.items()
    }
    assert {histogram.get_total_count() for histogram in totals.values()} == {_CALLS}
    assert len(ended) == _CALLS
    return stalling, ended, slow


async def test_what_is_intended_in_a_stall_is_sent_in_it_and_waits_for_its_end(
    tmp_path: Path,
) -> None:
    stalling, ended, slow = await _driven(tmp_path, in_flight=1_000)
    within = [one for one in ended if stalling.began <= one.sent < stalling.ended]
    # A loop that waits for answers would have sent one.
    assert len(within) > 1
    assert all(one.done >= stalling.ended for one in within)
    first_half = stalling.ended - _STALL_SECONDS * 500_000
    assert slow["response"] >= sum(1 for one in within if one.intended < first_half)


async def test_what_a_bound_keeps_from_being_sent_is_in_response_and_lag_not_in_service(
    tmp_path: Path,
) -> None:
    stalling, ended, slow = await _driven(tmp_path, in_flight=1)
    within = [one for one in ended if stalling.began <= one.intended < stalling.ended]
    assert len(within) > 1
    # None is left out, each is sent after the stall, and the stall is in its response.
    assert all(one.sent >= stalling.ended for one in within)
    assert [one.n for one in ended] == list(range(_CALLS))
    first_half = stalling.ended - _STALL_SECONDS * 500_000
    stalled = sum(1 for one in within if one.intended < first_half)
    assert slow["response"] >= stalled
    assert slow["lag"] >= stalled
    assert slow["service"] < stalled


async def _outcomes(operation: Operation, calls: int, drain: float = 30) -> list[Call]:
    now = Now()
    ended: list[Call] = []
    engine = Engine({"stall": operation}, ended.append, now, 100)
    await engine.run(_dues(calls), now())
    await engine.drain(drain)
    return ended


class _Odd:
    name = "stall"

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        if number == 0:
            raise RuntimeError("a bug")
        if number == 1:
            await asyncio.Event().wait()
        return Outcome("failed", "refused")


async def test_each_call_has_one_outcome_whatever_it_does() -> None:
    ended = await _outcomes(_Odd(), 3, drain=0.1)
    told = {one.n: (one.status, one.detail) for one in ended}
    assert told == {
        0: ("unknown", "RuntimeError: a bug"),
        1: ("unknown", "had not ended when the run did"),
        2: ("failed", "refused"),
    }


async def _whole(engine: Engine, start: int) -> None:
    await engine.run(_dues(500), start)
    await engine.drain(0)


async def test_what_cannot_be_written_down_ends_the_run() -> None:
    def full(call: Call) -> None:
        raise OSError("no space left")

    now = Now()
    engine = Engine({"stall": _Odd()}, full, now, 100)
    with pytest.raises(OSError, match="no space left"):
        await _whole(engine, now())


async def test_a_refusal_failed_and_silence_is_unknown() -> None:
    async with serving(Now()) as (_, channel):
        rpc: Any = channel.unary_unary(_METHOD)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await rpc(b"refuse", timeout=10)
        assert refused(error.value).status == "failed"
        assert "FAILED_PRECONDITION: no" in refused(error.value).detail
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        ended = await _outcomes(Calling(channel, 0.2), 1)
    assert [one.status for one in ended] == ["unknown"]


async def test_calls_intended_together_are_sent_in_order() -> None:
    ended: list[Call] = []
    now = Now()

    class Noted:
        name = "stall"

        async def __call__(self, intended: datetime, number: int) -> Outcome:
            return Outcome("ok", key=intended.isoformat())

    start = now()
    engine = Engine({"stall": Noted()}, ended.append, now, 10_000)
    await engine.run((Due(0, "stall", number) for number in range(1_000)), start)
    await engine.drain(10)
    assert [one.n for one in ended] == list(range(1_000))
    assert {one.intended for one in ended} == {start}
    assert {round(datetime.fromisoformat(one.key).timestamp() * 1e6) for one in ended} == {start}
    assert all(one.sent >= start for one in ended)


async def test_a_call_of_unknown_end_tells_what_it_attempted() -> None:
    class Attempting:
        name = "attempting"

        async def __call__(self, intended: datetime, number: int) -> Outcome:
            attempting(f"a-{number}", f"b-{number}")
            match number:
                case 0:
                    return Outcome("ok", acknowledged=("a-0",))
                case 1:
                    return Outcome("unknown")
                case 2:
                    return Outcome("failed")
                case 3:
                    raise ConnectionError
            await asyncio.Event().wait()
            raise AssertionError("was to be cancelled")

    ended: dict[int, Call] = {}
    engine = Engine(
        {"attempting": Attempting()}, lambda call: ended.update({call.n: call}), Now(), 100
    )
    now = Now()
    await engine.run(iter([Due(0, "attempting", number) for number in range(5)]), now())
    await engine.drain(0.05)
    assert {number: call.attempted for number, call in ended.items()} == {
        0: (),
        1: ("a-1", "b-1"),
        2: (),
        3: ("a-3", "b-3"),
        4: ("a-4", "b-4"),
    }
