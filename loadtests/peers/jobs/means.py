"""Reading -> hourly mean and its air-quality index, by the sensors department's own rules.

As the service does it but for the alerts of neighbourhoods, which no peer makes: those are of
stations in several partitions. Readings of an hour that has closed are dropped.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from city_backbone.events import OutgoingEvent
from sensors import facts
from sensors.domain.cai import HISTORY_HOURS, assess
from sensors.domain.hour import HourWindow, Reading, hour_end, hour_number, valid_only
from sensors.domain.pollutant import Pollutant, from_value
from sensors.domain.station import MINUTES_PER_HOUR, Station

from loadtests.peers import wire
from loadtests.peers.jobs.stage import Taken

LATENESS = timedelta(minutes=15)
"""The service's default."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_NAMES = {pollutant.value: pollutant for pollutant in Pollutant}


class Hours(msgspec.Struct, array_like=True):
    """Of one station: its open hours, and the valid means of those that closed, by their end."""

    newest: datetime = _NEVER
    open: dict[int, HourWindow] = msgspec.field(default_factory=dict)
    valid: dict[int, dict[Pollutant, int]] = msgspec.field(default_factory=dict)


class Measured(NamedTuple):
    station_id: str
    measured_at: datetime
    reading: Reading


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Hours)


class Means:
    """A Stage."""

    topic = facts.READING_TAKEN

    def __init__(self, stations: Mapping[str, Station]) -> None:
        self._stations = stations

    def read(self, value: bytes) -> Taken[Measured]:
        data = wire.decoded(self.topic, value)
        concentrations = {
            _NAMES[measurement["pollutant"]]: from_value(measurement["value"])
            for measurement in data["measurements"]
            if measurement["pollutant"] in _NAMES
        }
        expected = MINUTES_PER_HOUR // data["interval_minutes"]
        reading = Reading(concentrations, expected, data["received_at"])
        station_id = data["station_id"]
        return Taken(station_id, Measured(station_id, data["measured_at"], reading))

    def fresh(self) -> Hours:
        return Hours()

    def take(self, state: Hours, inputs: Sequence[Measured]) -> Sequence[OutgoingEvent]:
        by_hour: dict[datetime, list[Reading]] = {}
        for _, measured_at, reading in inputs:
            by_hour.setdefault(hour_end(measured_at), []).append(reading)
            if measured_at > state.newest:
                state.newest = measured_at
        station, windows = self._stations[inputs[0].station_id], state.open
        for end, more in by_hour.items():
            hour = hour_number(end)
            if hour in state.valid:
                continue
            window = windows.get(hour) or HourWindow(station.station_id, end, more[0].expected)
            windows[hour] = window.add(more)
        now = datetime.now(UTC)
        told: list[OutgoingEvent] = []
        for hour in sorted(windows):
            if windows[hour].due(state.newest, now, LATENESS):
                told += _closed(state, station, windows.pop(hour).told(), now)
        return told

    def pack(self, state: Hours) -> bytes:
        return _encoder.encode(state)

    def unpack(self, packed: bytes) -> Hours:
        return _decoder.decode(packed)


def _closed(
    state: Hours, station: Station, window: HourWindow, now: datetime
) -> Sequence[OutgoingEvent]:
    hour, means = hour_number(window.hour_end), window.means()
    valid = state.valid[hour] = valid_only(means)
    told = [facts.hourly_mean_computed(station, window, means, now)]
    if valid:
        history = [state.valid.get(hour - ago, {}) for ago in reversed(range(HISTORY_HOURS))]
        told.append(facts.air_quality_assessed(station, window, assess(history), now))
    for old in [one for one in state.valid if one <= hour - HISTORY_HOURS]:
        del state.valid[old]
    return told


def create(places: bytes) -> Means:
    return Means(msgspec.json.decode(places, type=dict[str, Station]))
