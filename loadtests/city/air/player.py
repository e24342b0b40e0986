"""Plays the model into sensors: station by station, then reading by reading, faster than time."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

import structlog
from city.sensors.v1 import sensors_pb2 as pb
from tenacity.wait import wait_base

from loadtests.city.air.model import Reading, readings, stations
from loadtests.city.air.wire import box, published, registration
from loadtests.city.calls import BACKOFF, Calls
from loadtests.city.errors import SettingsError
from loadtests.city.settings import CitySettings

if TYPE_CHECKING:
    from city.sensors.v1.sensors_pb2_grpc import SensorsServiceAsyncStub

_log = structlog.get_logger(__name__)

CHUNK = 900
_BACK = timedelta(days=60)
_REST_SECONDS = 1.0
_REPORT_SECONDS = 30.0


def horizon(start: datetime, elapsed: float, hours_per_second: float, now: datetime) -> datetime:
    """The modelled time after `elapsed` seconds of playing from `start`; never after `now`."""
    ahead = min(elapsed * hours_per_second * 3600, (now - start).total_seconds())
    return start + timedelta(seconds=max(0.0, ahead))


class AirPlayer:
    """Sends each reading until sensors acknowledges it, in order, at most CHUNK unacknowledged.

    While sensors is away modelled time runs on; what was missed follows at once afterwards. `now`
    gives aware UTC, `monotonic` seconds, `rest` waits seconds.
    """

    def __init__(
        self,
        sensors: "SensorsServiceAsyncStub",
        settings: CitySettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
        backoff: wait_base = BACKOFF,
    ) -> None:
        self._sensors = sensors
        self._settings = settings
        self._now = now
        self._monotonic = monotonic
        self._rest = rest
        self._call = Calls("sensors", settings.call_seconds, backoff)
        self.outcome: Counter[str] = Counter()

    async def run(self) -> None:
        """Play until cancelled. Raises RefusedError for a refusal that would come again."""
        await self.register()
        start = sent = await self.first()
        began = reported = self._monotonic()
        _log.info("city-begins", start=start.isoformat(), seed=self._settings.seed)
        while True:
            speed = self._settings.hours_per_second
            until = horizon(start, self._monotonic() - began, speed, self._now())
            for chunk in _chunks(readings(self._settings.seed, sent, max(sent, until))):
                await self._publish(chunk)
            sent = max(sent, until)
            if self._monotonic() - reported >= _REPORT_SECONDS:
                reported = self._monotonic()
                _log.info("city-played", until=sent.isoformat(), **self.outcome)
            await self._rest(_REST_SECONDS)

    async def register(self) -> None:
        """Make every station of the model known."""
        for station in stations(self._settings.seed):
            await self._call(
                "RegisterStation", self._sensors.RegisterStation, registration(station)
            )

    async def first(self) -> datetime:
        """The setting, else the end of the newest hour sensors knows of, else 60 days ago."""
        now = self._now()
        if self._settings.start is not None:
            if self._settings.start > now:
                raise SettingsError("--start (LOADTESTS_START): expected a time that is not ahead")
            return self._settings.start.astimezone(UTC)
        ours = {station.station_id for station in stations(self._settings.seed)}
        request = box(stations(self._settings.seed))
        answer = await self._call("GetMap", self._sensors.GetMap, request)
        known = [
            one.hour_end.ToDatetime(UTC) for one in answer.air_qualities if one.station_id in ours
        ]
        return min(max(known, default=now - _BACK), now)

    async def _publish(self, chunk: tuple[Reading, ...]) -> None:
        answer = await self._send(chunk)
        if _has_unknown_station(answer):
            await self.register()
            answer = await self._send(chunk)
        self.outcome["accepted"] += answer.accepted
        self.outcome["duplicates"] += answer.duplicates
        self.outcome["refused"] += answer.refused
        self.outcome["malformed"] += sum(reading.fault is not None for reading in chunk)

    async def _send(self, chunk: tuple[Reading, ...]) -> pb.PublishReadingsResponse:
        request = published(chunk)

        def publish(
            message: pb.PublishReadingsRequest, *, timeout: float
        ) -> Awaitable[pb.PublishReadingsResponse]:
            return self._sensors.PublishReadings(iter((message,)), timeout=timeout)

        return await self._call("PublishReadings", publish, request)


def _has_unknown_station(answer: pb.PublishReadingsResponse) -> bool:
    unknown = pb.PROBLEM_REASON_UNKNOWN_STATION
    return any(problem.reason == unknown for one in answer.results for problem in one.problems)


def _chunks(found: Iterator[Reading]) -> Iterator[tuple[Reading, ...]]:
    while chunk := tuple(islice(found, CHUNK)):
        yield chunk
