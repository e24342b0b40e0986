"""Deleting readings that nobody asks for any more."""

from collections.abc import Callable
from datetime import datetime, timedelta

from city_backbone.database import Connection

from parking.occupancy import store_sensors

_PER_RUN = 5_000


class Forgetting:
    """Every replica deletes in its turn, others than the others."""

    def __init__(self, keep: timedelta, clock: Callable[[], datetime]) -> None:
        self._keep = keep
        self._clock = clock

    async def forget(self, connection: Connection) -> bool:
        """In the caller's transaction; whether there may be more to delete."""
        deleted = await store_sensors.delete_older(connection, self._clock() - self._keep, _PER_RUN)
        return deleted == _PER_RUN
