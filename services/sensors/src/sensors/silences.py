"""Telling of stations that went silent."""

from collections.abc import Callable
from datetime import datetime

from city_backbone.database import Connection
from city_backbone.outbox import Outbox
from opentelemetry.metrics import Meter

from sensors import facts
from sensors.domain.silence import SILENT_INTERVALS
from sensors.store import readings

SILENCES_METRIC = "city.sensors.silences"  # stations found silent
STATIONS_METRIC = "city.sensors.stations"  # stations in service, by state: heard or silent
_PER_RUN = 500


class Silences:
    """Each call runs in the caller's transaction."""

    def __init__(self, outbox: Outbox, meter: Meter, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._counter = meter.create_counter(SILENCES_METRIC)
        self._stations = meter.create_gauge(STATIONS_METRIC)

    async def tell(self, connection: Connection) -> bool:
        """Publish sensors.station-silent.v1 once per silence; whether there may be more of them.

        A silence ends with the station's next new reading.
        """
        now = self._clock()
        found = await readings.mark_silent(connection, SILENT_INTERVALS, now, _PER_RUN)
        await self._outbox.add(
            connection,
            [facts.station_silent(station, last, heard, now) for station, last, heard in found],
        )
        if found:
            self._counter.add(len(found))
        more = len(found) == _PER_RUN
        if not more:
            await self._measure(connection)
        return more

    async def _measure(self, connection: Connection) -> None:
        stations = await readings.count(connection)
        self._stations.set(stations.heard, {"state": "heard"})
        self._stations.set(stations.silent, {"state": "silent"})
