"""Where each camera is, for what must know it for every detection."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import structlog
from city_backbone.database import Database
from city_backbone.errors import DatabaseUnavailable

log = structlog.get_logger()

_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CameraPlace:
    """A registered camera; `purpose` as in the events' schemas, for example PARK."""

    camera_id: str
    site_id: str
    purpose: str
    retired: bool


class Directory:
    """All cameras by id, read again when older than `seconds` or when told to forget.

    Concurrent callers share one query. While the database is away or slow the old answer stands,
    and it is asked again after `seconds`.
    """

    def __init__(
        self, database: Database, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._seconds = seconds
        self._clock = clock
        self._places: Mapping[str, CameraPlace] | None = None
        self._due = float("-inf")
        self._forgotten = 0
        self._reading: asyncio.Task[Mapping[str, CameraPlace]] | None = None

    def forget(self) -> None:
        """What was registered or retired here must count at once."""
        self._due = float("-inf")
        self._forgotten += 1

    async def places(self) -> Mapping[str, CameraPlace]:
        """Raises DatabaseUnavailable only when nothing was ever read."""
        if self._places is not None and self._clock() < self._due:
            return self._places
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="read camera directory")
        reading = self._reading
        # Waited for, not awaited: a caller that goes away must not cancel what others wait for.
        await asyncio.wait([reading], timeout=None if self._places is None else _PATIENCE_SECONDS)
        if self._places is not None and not reading.done():
            return self._places
        return reading.result()

    async def _read(self) -> Mapping[str, CameraPlace]:
        try:
            while True:
                forgotten = self._forgotten
                places = await self._query()
                if forgotten == self._forgotten:
                    break
        except DatabaseUnavailable as error:
            if self._places is None:
                raise
            log.warning("camera directory is old", error=repr(error))
        else:
            self._places = places
        finally:
            self._reading = None
        self._due = self._clock() + self._seconds
        return self._places

    async def _query(self) -> Mapping[str, CameraPlace]:
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                "select camera_id, site_id, purpose, retired from camera"
            )
            return MappingProxyType({row["camera_id"]: CameraPlace(**row) async for row in rows})
