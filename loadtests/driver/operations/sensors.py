"""What stations send: readings, on the minute when the scenario says so.

Settings, ASSUMPTION: `stations` (90, as the model has them; more are made up), `readings_per_call`
(mean, 1: a station speaks for itself; a gateway has more), `zipf` and `hot_share` (0: stations in
turn).
"""

import itertools
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc.aio
from city.sensors.v1 import sensors_pb2 as pb
from city.sensors.v1.sensors_pb2_grpc import SensorsServiceStub
from city_backbone.events import event_id

from loadtests.city.air import wire
from loadtests.city.air.model import Reading, Station, readings, stations
from loadtests.city.seeded import draws
from loadtests.driver.operation import Operation, Outcome, World, attempting
from loadtests.driver.operations.calling import (
    connected,
    deadline,
    malformed_share,
    refused,
    size,
    skew,
    some_at_once,
)

if TYPE_CHECKING:
    from city.sensors.v1.sensors_pb2_grpc import SensorsServiceAsyncStub

READINGS = "sensors.PublishReadings"
READING_TAKEN = "sensors.reading-taken.v1"
_MOST = 1_000
_POOL = datetime(2026, 5, 1, tzinfo=UTC)


def offers(name: str) -> bool:
    return name == READINGS


def estate(seed: int, count: int) -> tuple[Station, ...]:
    """The model's stations, and as many like them as are asked for."""
    found = stations(seed)
    more = (
        replace(one, station_id=f"{one.station_id}-{turn}")
        for turn in itertools.count(2)
        for one in found
    )
    return tuple(itertools.islice(itertools.chain(found, more), count))


async def prepare(world: World, names: Collection[str]) -> None:
    async with connected(world, "sensors") as channel:
        stub: SensorsServiceAsyncStub = SensorsServiceStub(channel)
        await some_at_once(
            stub.RegisterStation(wire.registration(one), timeout=deadline(world))
            for one in estate(world.seed, count(world))
        )


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    async with connected(world, "sensors") as channel:
        yield {READINGS: Readings(channel, world)}


@dataclass(frozen=True, slots=True)
class _Sent:
    reading: Reading
    bad: bool


class Readings:
    """Of stations in turn, or skewed, measured at the intended instant.

    A malformed one is of a station that nobody knows, and must be refused.
    """

    name = READINGS

    def __init__(self, channel: grpc.aio.Channel, world: World) -> None:
        self._stub: SensorsServiceAsyncStub = SensorsServiceStub(channel)
        self._seed = world.seed
        self._stations = estate(world.seed, count(world))
        self._each = world.number("readings_per_call", 1)
        self._skew = skew(world, "stations", len(self._stations))
        self._malformed = malformed_share(world)
        self._deadline = deadline(world)
        pool = readings(world.seed, _POOL, _POOL + timedelta(minutes=10))
        self._pool = [one.values for one in pool if one.fault is None]

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        sent = list(self._measured(intended, number))
        key = sent[0].reading.station_id
        message = wire.published(one.reading for one in sent)
        at = intended.isoformat()
        ids = [str(event_id(READING_TAKEN, one.reading.station_id, at)) for one in sent]
        attempting(*(ids[index] for index, one in enumerate(sent) if not one.bad))
        try:
            answer = await self._stub.PublishReadings(iter((message,)), timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            return refused(error, key)
        bad = {one.index: one for one in answer.results if one.status == pb.READING_STATUS_REFUSED}
        taken = tuple(ids[index] for index in range(len(sent)) if index not in bad)
        for index, one in enumerate(sent):
            if (index in bad) != one.bad or (index in bad and not _named(bad[index])):
                told = f"refused: {bad[index]}" if index in bad else "taken though malformed"
                return Outcome("failed", told[:300], taken, key)
        return Outcome("ok", "malformed ones refused" if bad else "", taken, key)

    def _measured(self, intended: datetime, number: int) -> Iterator[_Sent]:
        draw = draws(self._seed, self.name, number)
        many = min(size(draw, self._each, _MOST), len(self._stations))
        # In turn, by what a call has on the average.
        first = round(number * self._each)
        turns = range(first, first + many) if self._skew.even else self._skew.some(draw, many)
        for turn in turns:
            station_id = self._stations[turn % len(self._stations)].station_id
            bad = draw.random() < self._malformed
            values = {
                pollutant: round(value * draw.uniform(0.95, 1.05), 4)
                for pollutant, value in draw.choice(self._pool).items()
            }
            name = f"gone-{station_id}" if bad else station_id
            yield _Sent(Reading(name, intended, values), bad)


def _named(result: pb.ReadingResult) -> bool:
    return any(problem.field for problem in result.problems)


def count(world: World) -> int:
    return int(world.number("stations", len(stations(world.seed))))
