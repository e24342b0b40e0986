"""Sessions at kiosks: what is measured, as time passes, and what of it the department is told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from city.health.v1 import kiosk_pb2 as pb

from loadtests.city.health import wire
from loadtests.city.health.kiosks import KIOSKS, online_at
from loadtests.city.health.line import Line
from loadtests.city.health.office import Office
from loadtests.city.health.visits import Load, Visit
from loadtests.city.tasks import tasks

_ADVICE = "ADVICE_LEVEL_"


class Sessions:
    """`told` hears, in a word, of all that is done. `now` gives seconds since 1970, `rest` waits.

    A kiosk keeps what it cannot deliver: people measure themselves whether there is a network, a
    department, or neither.
    """

    def __init__(
        self,
        office: Office,
        load: Load,
        told: Callable[[str], None],
        *,
        now: Callable[[], float],
        rest: Callable[[float], Awaitable[None]],
    ) -> None:
        self._office = office
        self._load = load
        self._told = told
        self._now = now
        self._rest = rest

    async def hold(self, visit: Visit, person_token: str) -> None:
        """The whole of it. Raises RefusedError."""
        kiosk = KIOSKS[visit.kiosk]
        began = self._now()
        back = online_at(self._load.seed, kiosk.kiosk_id, began)
        begin = wire.begin(
            wire.session_id(self._load, visit.visit_id),
            kiosk.kiosk_id,
            person_token,
            _micros(began),
        )
        steps: asyncio.Queue[pb.Measured | pb.End] = asyncio.Queue()
        async with tasks() as group:
            group.create_task(self._measure(visit, steps))
            group.create_task(self._deliver(visit, begin, steps, back))

    async def _measure(self, visit: Visit, steps: asyncio.Queue[pb.Measured | pb.End]) -> None:
        for sequence, reading in enumerate(visit.readings, start=1):
            await self._rest(reading.seconds)
            at = _micros(self._now())
            steps.put_nowait(wire.measured(sequence, reading.value, reading.device_id, at))
        steps.put_nowait(wire.end(len(visit.readings), _micros(self._now())))

    async def _deliver(
        self,
        visit: Visit,
        begin: pb.Begin,
        steps: asyncio.Queue[pb.Measured | pb.End],
        back: float,
    ) -> None:
        late = back > self._now()
        if late:
            await self._rest(back - self._now())
        delivered: list[pb.Measured | pb.End] = []
        line = self._office.session(begin)
        try:
            await line.begin()
            while not delivered or isinstance(delivered[-1], pb.Measured):
                step = await steps.get()
                await self._send(line, step)
                delivered.append(step)
                if len(delivered) == visit.cut_after:
                    # The answer was not heard, so the kiosk says it again on another stream.
                    line.cut()
                    await self._send(line, step)
                    self._told("resumed")
        finally:
            line.cut()
        self._told("late" if late else "sessions")
        if late and visit.again:
            await self._again(begin, delivered)

    async def _again(self, begin: pb.Begin, steps: Sequence[pb.Measured | pb.End]) -> None:
        """The kiosk has not noted that it has delivered."""
        line = self._office.session(begin)
        try:
            await line.begin()
            for step in steps:
                await self._send(line, step)
        finally:
            line.cut()
        self._told("twice")

    async def _send(self, line: Line, step: pb.Measured | pb.End) -> None:
        if isinstance(step, pb.End):
            await line.end(step)
            return
        answer = await line.measure(step)
        if answer.HasField("assessment"):
            self._told("measurements")
            level = pb.AdviceLevel.Name(answer.assessment.advice)
            self._told(level.removeprefix(_ADVICE).lower())


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)
