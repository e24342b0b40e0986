"""The stream: readings become hourly means, indexes and alerts, a batch of readings at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from city_backbone.database import Connection
from city_backbone.events import Event, OutgoingEvent
from city_backbone.outbox import Outbox
from city_backbone.stream.subscription import Refusal

from sensors import alerting, facts
from sensors.alerting import LevelStep
from sensors.domain.cai import HISTORY_HOURS, assess
from sensors.domain.hour import HourWindow, Reading, hour_ends, hour_number, valid_only
from sensors.domain.pollutant import Pollutant, from_value
from sensors.domain.station import MINUTES_PER_HOUR
from sensors.store import air_quality, alerts, hours
from sensors.store.air_quality import AssessedHour
from sensors.store.hours import Clock, HourKey

_STATIONS_PER_TIMER_RUN = 100
_NEVER = datetime.min.replace(tzinfo=UTC)
_NAMES = {pollutant.value: pollutant for pollutant in Pollutant}


class _Taken(NamedTuple):
    """What the stream uses of sensors.reading-taken.v1."""

    station_id: str
    measured_at: datetime
    reading: Reading


class Processing:
    """Each call runs in the caller's transaction, and holds its stations' hours until it ends."""

    def __init__(self, outbox: Outbox, lateness: timedelta, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._lateness = lateness
        self._clock = clock

    async def handle(self, connection: Connection, events: Sequence[Event]) -> Sequence[Refusal]:
        """Subscription handler; refuses a reading of no registered station."""
        readings = [_taken(event.data) for event in events]
        clocks = await hours.lock(connection, {reading.station_id for reading in readings})
        known = [reading for reading in readings if reading.station_id in clocks]
        if known:
            await self._advance(connection, clocks, known)
        return [
            Refusal(event, f"station_id: {reading.station_id!r} is not registered")
            for event, reading in zip(events, readings, strict=True)
            if reading.station_id not in clocks
        ]

    async def close_due(self, connection: Connection) -> bool:
        """Close hours whose stations went quiet; whether there may be more of them."""
        station_ids = await hours.stations_with_due_hours(
            connection, self._clock(), self._lateness, _STATIONS_PER_TIMER_RUN
        )
        if station_ids:
            await self._advance(connection, await hours.lock(connection, station_ids), ())
        return len(station_ids) == _STATIONS_PER_TIMER_RUN

    async def _advance(
        self, connection: Connection, clocks: Mapping[str, Clock], readings: Sequence[_Taken]
    ) -> None:
        """`clocks` has all stations of `readings`, locked."""
        now = self._clock()
        added = _by_hour(readings)
        keys = set(added)
        windows = await hours.load(connection, clocks, keys)
        for key, more in added.items():
            window = windows.get(key) or HourWindow(*key, expected=more[0].expected)
            windows[key] = window.add(more)
        newest = _newest(readings, clocks)
        due = sorted(
            (
                window
                for (station_id, _), window in windows.items()
                if window.due(newest.get(station_id), now, self._lateness)
            ),
            key=lambda window: (window.hour_end, window.station_id),
        )
        keys |= {(window.station_id, window.hour_end) for window in due}
        told = await self._tell(connection, due, windows, clocks, now)
        await hours.save(connection, [windows[key] for key in sorted(keys)], newest)
        await self._outbox.add(connection, told.events)
        if told.assessed:
            await air_quality.save(connection, told.assessed)

    async def _tell(
        self,
        connection: Connection,
        due: Sequence[HourWindow],
        windows: dict[HourKey, HourWindow],
        clocks: Mapping[str, Clock],
        now: datetime,
    ) -> "_Told":
        """Close the due hours in time's order; `windows` has them closed."""
        told = _Told([], [])
        if not due:
            return told
        closing = [(window.station_id, window.hour_end) for window in due]
        windows |= {
            key: window
            for key, window in (await hours.before(connection, closing)).items()
            if key not in windows
        }
        states = await alerts.states(connection, {window.station_id for window in due})
        before = dict(states)
        valid_means: dict[str, dict[int, Mapping[Pollutant, int]]] = {
            window.station_id: {} for window in due
        }
        for (station_id, end), window in windows.items():
            if window.revision and station_id in valid_means:
                valid_means[station_id][hour_number(end)] = valid_only(window.means())
        steps: list[LevelStep] = []
        for window in due:
            closed = window.told()
            key = (closed.station_id, closed.hour_end)
            windows[key] = closed
            station = clocks[closed.station_id].station
            means = closed.means()
            number = hour_number(closed.hour_end)
            valid = valid_means[closed.station_id][number] = valid_only(means)
            told.events.append(facts.hourly_mean_computed(station, closed, means, now))
            if valid:
                assessment = assess(_history(valid_means[closed.station_id], number))
                told.events.append(facts.air_quality_assessed(station, closed, assessment, now))
                told.assessed.append(
                    AssessedHour(*key, closed.revision, assessment, closed.completeness)
                )
            steps += alerting.fold_hour(states, station, closed.hour_end, valid, closed.revision)
        changed = {key: state for key, state in states.items() if before.get(key) != state}
        if changed:
            await alerts.save_states(connection, changed)
        if steps:
            told.events.extend(await alerting.settle(connection, steps, now))
        return told


@dataclass(frozen=True, slots=True)
class _Told:
    """What follows from closed hours."""

    events: list[OutgoingEvent]
    assessed: list[AssessedHour]


def _taken(data: Mapping[str, Any]) -> _Taken:
    concentrations = {
        pollutant: from_value(measurement["value"])
        for measurement in data["measurements"]
        if (pollutant := _NAMES.get(measurement["pollutant"])) is not None
    }
    expected = MINUTES_PER_HOUR // data["interval_minutes"]
    reading = Reading(concentrations, expected, data["received_at"])
    return _Taken(data["station_id"], data["measured_at"], reading)


def _by_hour(readings: Sequence[_Taken]) -> dict[HourKey, list[Reading]]:
    by_hour: dict[HourKey, list[Reading]] = {}
    ends = hour_ends([measured_at for _, measured_at, _ in readings])
    for (station_id, _, reading), end in zip(readings, ends, strict=True):
        by_hour.setdefault((station_id, end), []).append(reading)
    return by_hour


def _newest(readings: Iterable[_Taken], clocks: Mapping[str, Clock]) -> dict[str, datetime]:
    """The newest measured time of each station, `readings` included."""
    newest = {key: clock.newest for key, clock in clocks.items() if clock.newest is not None}
    for station_id, measured_at, _ in readings:
        if measured_at > newest.get(station_id, _NEVER):
            newest[station_id] = measured_at
    return newest


def _history(
    valid_means: Mapping[int, Mapping[Pollutant, int]], last: int
) -> Sequence[Mapping[Pollutant, int]]:
    """Of the twelve hours up to `last`, oldest first; empty for one that was not told."""
    return [valid_means.get(last - ago, {}) for ago in reversed(range(HISTORY_HOURS))]
