"""Reading -> hourly mean: the modelled city's ninety stations, one reading each ten minutes."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from city_backbone.database import Connection
from city_backbone.events import OutgoingEvent
from sensors import facts
from sensors.domain.pollutant import Pollutant
from sensors.domain.station import Station, StationKind
from sensors.settings import SensorsSettings
from sensors.store import stations as store

from loadtests.city.air import model
from loadtests.peers.jobs.city import Outcome, Told

SEED = 1
START = datetime(2040, 6, 1, tzinfo=UTC)
"""Ahead of the clock: so an hour closes by what its station measured, never by the clock, and all
contenders close the same hours whenever they run."""
_DAYS = 365


class MeansCity:
    """A City."""

    job = "means"
    service = "sensors"
    settings = SensorsSettings
    topic = facts.READING_TAKEN
    outputs = (facts.HOURLY_MEAN_COMPUTED, facts.AIR_QUALITY_ASSESSED)
    tables = (
        "truncate hour_window, station_alert_state, alert_change, alert, air_quality,"
        " outbox, inbox;"
        " update station_clock set newest_measured_at = null;"
        " update area set level = 0, alert_id = null"
    )

    def places(self) -> Mapping[str, Station]:
        return {
            one.station_id: Station(
                one.station_id,
                one.name,
                one.dong.name,
                one.latitude,
                one.longitude,
                StationKind.IOT,
                tuple(Pollutant),
                int(model.INTERVAL.total_seconds()) // 60,
            )
            for one in model.stations(SEED)
        }

    def events(self, number: int) -> Sequence[OutgoingEvent]:
        return list(islice(self._taken(), number))

    def eventful(self, number: int) -> Sequence[OutgoingEvent]:
        """One in six closes an hour as it is."""
        return self.events(number)

    def _taken(self) -> Iterator[OutgoingEvent]:
        places = self.places()
        for one in model.readings(SEED, START, START + timedelta(days=_DAYS)):
            if one.fault is None:
                yield facts.reading_taken(
                    places[one.station_id],
                    one.measured_at,
                    one.measured_at + timedelta(seconds=1),
                    [(Pollutant(name.value), value, False) for name, value in one.values.items()],
                )

    async def register(self, connection: Connection, now: datetime) -> None:
        for station in self.places().values():
            await store.save(connection, station, now)

    def outcome(self, told: Iterable[Told]) -> Outcome:
        """Each revision that was told of an hour; told twice, it is in a list."""
        hours: dict[Hashable, list[Mapping[str, object]]] = {}
        for topic, data in told:
            key = (topic, data["station_id"], data["hour_end"], data["revision"])
            hours.setdefault(key, []).append(data)
        return hours

    def effects(self, told: Told) -> Iterable[Hashable]:
        topic, data = told
        return [(topic, data["station_id"], data["hour_end"])]


CITY = MeansCity()
