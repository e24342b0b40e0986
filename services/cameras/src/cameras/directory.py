"""Where each camera is, for what must know it for every detection."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from city_backbone.database import Database


@dataclass(frozen=True, slots=True)
class CameraPlace:
    """A registered camera; `purpose` as in the events' schemas, for example PARK."""

    camera_id: str
    site_id: str
    purpose: str
    retired: bool


class Directory:
    """All cameras by id, read again when older than `seconds` or when told to forget."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds
        self._places: Mapping[str, CameraPlace] = MappingProxyType({})
        self._read_at = float("-inf")

    def forget(self) -> None:
        """What was registered or retired here must count at once."""
        self._read_at = float("-inf")

    async def places(self) -> Mapping[str, CameraPlace]:
        """Raises DatabaseUnavailable only when nothing was ever read."""
        raise NotImplementedError
