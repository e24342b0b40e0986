"""Plays the two zones into `health`: people, their sessions and withdrawals, second by second."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import grpc
import structlog

from loadtests.city.calls import reason
from loadtests.city.errors import RefusedError
from loadtests.city.health import wire
from loadtests.city.health.kiosks import KIOSKS
from loadtests.city.health.office import Office
from loadtests.city.health.people import people
from loadtests.city.health.sessions import Sessions
from loadtests.city.health.visits import Load, Visit, beginning
from loadtests.city.tasks import tasks

_log = structlog.get_logger(__name__)

MAX_AT_ONCE = 500
"""Sessions under way, those that wait for a network among them; who comes then is left out."""
LATE_SECONDS = 5
"""Sessions of seconds that are longer ago are left out, and counted."""
_REPORT_SECONDS = 30.0
_NOT_IN_THE_POLICY = "NOT_REGISTERED"
# What ends a session, not the playing: the department's data is new, or the person withdrew.
_REFUSALS = frozenset(
    {
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.PERMISSION_DENIED,
    }
)


class HealthPlayer:
    """Plays the model of `load` as time passes.

    Who comes for the first time enrols; who withdrew and comes again enrols anew. What `health`
    does not answer is asked again, the same; what begins meanwhile waits too, up to MAX_AT_ONCE.
    `now` gives seconds since 1970, `rest` waits seconds. `outcome` counts what was done.
    """

    def __init__(
        self,
        office: Office,
        load: Load,
        *,
        now: Callable[[], float] = time.time,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._office = office
        self._load = load
        self._now = now
        self._rest = rest
        self._people = people(load.seed)
        self._sessions = Sessions(office, load, self._told, now=now, rest=rest)
        self._tokens: dict[int, str] = {}
        self._here: set[int] = set()
        self.outcome: Counter[str] = Counter()

    async def run(self) -> None:
        """Register the kiosks, then play until cancelled. Raises RefusedError."""
        await self.register()
        await self.play()

    async def register(self) -> None:
        """Make the kiosks known; again changes nothing."""
        await self._office.register_kiosks(KIOSKS)
        _log.info("kiosks-registered", kiosks=len(KIOSKS))

    async def play(self) -> None:
        """Begin each second's sessions once the second is over."""
        begun = int(self._now())
        reported = self._now()
        async with tasks() as group:
            while True:
                second = int(self._now())
                for passed in range(begun, second):
                    self._begin(group, passed, late=passed < second - LATE_SECONDS)
                begun = second
                if self._now() - reported >= _REPORT_SECONDS:
                    reported = self._now()
                    _log.info("health-played", under_way=len(self._here), **self.outcome)
                await self._rest(1.0 - self._now() % 1.0)

    async def come(self, visit: Visit) -> None:
        """A person from enrolment to going. Raises RefusedError for what ends the playing."""
        try:
            token = await self._token(visit)
            await self._sessions.hold(visit, token)
            if visit.looks:
                await self._office.trend(token, visit.readings[0].value.code)
                self._told("trends")
            if visit.withdraws:
                await self._office.withdraw(token)
                del self._tokens[visit.person]
                self._told("withdrawn")
        except RefusedError as error:
            await self._shrug(error, visit)

    def _begin(self, group: asyncio.TaskGroup, second: int, *, late: bool) -> None:
        for visit in beginning(self._load, second):
            if late or visit.person in self._here or len(self._here) >= MAX_AT_ONCE:
                self._told("left_out")
                continue
            self._here.add(visit.person)
            group.create_task(self._come(visit))

    async def _come(self, visit: Visit) -> None:
        try:
            await self.come(visit)
        finally:
            self._here.discard(visit.person)

    async def _token(self, visit: Visit) -> str:
        known = self._tokens.get(visit.person)
        if known is not None:
            return known
        person = self._people[visit.person]
        request = wire.enrolment(person, round(self._now() * 1_000_000), visit.visit_id)
        token = await self._office.enrol(request)
        self._tokens[visit.person] = token
        self._told("enrolled")
        return token

    async def _shrug(self, error: RefusedError, visit: Visit) -> None:
        word = reason(error)
        if error.code not in _REFUSALS or word == _NOT_IN_THE_POLICY:
            raise error
        self._told(word.lower())
        self._tokens.pop(visit.person, None)
        if error.code is grpc.StatusCode.NOT_FOUND:
            await self.register()

    def _told(self, word: str) -> None:
        self.outcome[word] += 1
