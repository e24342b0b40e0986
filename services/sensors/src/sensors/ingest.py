"""Taking readings in: checked, written once, and told of as sensors.reading-taken.v1."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from city_backbone.database import Connection
from city_backbone.outbox import Outbox
from opentelemetry.metrics import Meter

from sensors import facts
from sensors.domain import quality
from sensors.domain.pollutant import Pollutant
from sensors.domain.quality import Problem, RawReading, Reason, Unmoved, Verdict
from sensors.domain.station import Station
from sensors.store import readings as store
from sensors.store import stations
from sensors.store.readings import ReadingKey

READINGS_METRIC = "city.sensors.readings"  # readings sent to us, by status and first reason


class Status(StrEnum):
    """Names as in the protocol's ReadingStatus."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Result:
    """Of one reading, at its place among those given."""

    status: Status
    problems: tuple[Problem, ...] = ()


_CONFLICT = Problem(
    Reason.CONFLICT,
    "measured_at",
    "a reading of this station and time was accepted before, with other values",
)


class Ingest:
    """Runs in the caller's transaction; count its results after the commit."""

    def __init__(self, outbox: Outbox, meter: Meter, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._counter = meter.create_counter(READINGS_METRIC)

    async def take(
        self, connection: Connection, readings: Sequence[RawReading]
    ) -> Sequence[Result]:
        """One result for each reading, in order. What is ACCEPTED is in the outbox."""
        now = self._clock()
        station_ids = sorted({reading.station_id for reading in readings})
        await store.lock_contacts(connection, station_ids)
        known = await stations.find(connection, station_ids)
        verdicts = [
            quality.check(reading, known.get(reading.station_id), now) for reading in readings
        ]
        digests = _first_digests(readings, verdicts)
        before = await store.accept(connection, digests) if digests else {}
        results: list[Result | None] = []
        new: dict[ReadingKey, int] = {}
        for index, (reading, verdict) in enumerate(zip(readings, verdicts, strict=True)):
            key = _key(reading)
            if key is None or not verdict.kept:
                results.append(Result(Status.REFUSED, verdict.problems))
            elif key not in before and key not in new:
                new[key] = index
                results.append(None)
            elif reading.digest() == before.get(key, digests[key]):
                results.append(Result(Status.DUPLICATE))
            else:
                results.append(Result(Status.REFUSED, (_CONFLICT,)))
        accepted = await self._publish(connection, verdicts, new, known, now)
        return [accepted[index] if found is None else found for index, found in enumerate(results)]

    async def _publish(
        self,
        connection: Connection,
        verdicts: Sequence[Verdict],
        new: Mapping[ReadingKey, int],
        known: Mapping[str, Station],
        now: datetime,
    ) -> dict[int, Result]:
        if not new:
            return {}
        heard = sorted({key.station_id for key in new})
        runs = await store.latest_values(connection, heard)
        results: dict[int, Result] = {}
        events = []
        for key, index in new.items():
            station = known[key.station_id]
            measurements, flagged = _flagged(key, verdicts[index], station, runs)
            events.append(facts.reading_taken(station, key.measured_at, now, measurements))
            results[index] = Result(Status.ACCEPTED, (*verdicts[index].problems, *flagged))
        await store.save_latest_values(connection, runs)
        await store.heard(connection, heard, now)
        await self._outbox.add(connection, events)
        return results

    def count(self, results: Sequence[Result]) -> None:
        """Into the metric."""
        totals = Counter(
            (result.status, result.problems[0].reason if result.problems else "NONE")
            for result in results
        )
        for (status, reason), total in totals.items():
            self._counter.add(total, {"status": status.lower(), "reason": reason.lower()})


def _key(reading: RawReading) -> ReadingKey | None:
    if reading.measured_at is None:
        return None
    return ReadingKey(reading.station_id, reading.measured_at)


def _first_digests(
    readings: Sequence[RawReading], verdicts: Sequence[Verdict]
) -> dict[ReadingKey, bytes]:
    """Of the acceptable readings; where one stands twice, the first counts."""
    digests: dict[ReadingKey, bytes] = {}
    for reading, verdict in zip(readings, verdicts, strict=True):
        key = _key(reading)
        if key is not None and verdict.kept and key not in digests:
            digests[key] = reading.digest()
    return digests


def _flagged(
    key: ReadingKey,
    verdict: Verdict,
    station: Station,
    runs: dict[tuple[str, Pollutant], Unmoved],
) -> tuple[list[tuple[Pollutant, float, bool]], list[Problem]]:
    """Each kept value with whether it is stuck, and what to say of those; moves `runs` on."""
    interval = station.interval_minutes
    measurements: list[tuple[Pollutant, float, bool]] = []
    problems: list[Problem] = []
    for kept in verdict.kept:
        sensor = (station.station_id, kept.pollutant)
        run = quality.follow(runs.get(sensor), kept.value, key.measured_at, interval)
        stuck = run.measured_at == key.measured_at and quality.is_stuck(
            run, kept.pollutant, interval
        )
        runs[sensor] = run
        measurements.append((kept.pollutant, kept.value, stuck))
        if stuck:
            problems.append(quality.stuck_problem(kept.index, run, interval))
    return measurements, problems
