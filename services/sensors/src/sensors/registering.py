"""Stations come, change and go."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from city_backbone.database import Connection
from city_backbone.errors import NotFound
from city_backbone.outbox import Outbox

from sensors import alerting
from sensors.domain.pollutant import Pollutant
from sensors.domain.station import Station
from sensors.store import stations


class Registering:
    """Each call runs in the caller's transaction."""

    def __init__(self, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock

    async def register(self, connection: Connection, station: Station) -> Station:
        """Insert it, or replace the one with its id; a retired one is in service again.

        Where it stood before, its alert levels end.
        """
        before = await stations.lock(connection, station.station_id)
        await stations.save(connection, station, self._clock())
        if before is not None:
            moved = before.dong != station.dong
            gone = set(before.pollutants) - (set() if moved else set(station.pollutants))
            await self._withdraw(connection, before, gone)
        return station

    async def retire(self, connection: Connection, station_id: str) -> Station:
        """Out of service. Raises NotFound."""
        before = await stations.lock(connection, station_id)
        if before is None:
            raise NotFound("station", station_id)
        retired = replace(before, retired=True)
        await stations.save(connection, retired, self._clock())
        await self._withdraw(connection, before, set(before.pollutants))
        return retired

    async def _withdraw(
        self, connection: Connection, station: Station, gone: set[Pollutant]
    ) -> None:
        pollutants = [pollutant for pollutant in station.pollutants if pollutant in gone]
        if pollutants:
            events = await alerting.withdraw(connection, station, pollutants, self._clock())
            await self._outbox.add(connection, events)
