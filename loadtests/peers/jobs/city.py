"""What the harness gives contenders, and how it reads what they make of it."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol, TypeAlias, cast

from city_backbone.database import Connection
from city_backbone.events import OutgoingEvent
from city_backbone.settings import ServiceSettings

Told: TypeAlias = tuple[str, Mapping[str, Any]]
"""Topic and data of an event."""
Outcome: TypeAlias = Mapping[Hashable, Any]
"""What came of a run, without what depends on when or in what steps it was made."""


class City(Protocol):
    """One job's side of the harness."""

    job: str
    service: str
    """The department: its package, consumer group and database."""
    settings: type[ServiceSettings]
    topic: str
    outputs: Sequence[str]
    """The department's topics that have what is compared."""
    tables: str
    """SQL that has the department begin anew."""

    def places(self) -> Mapping[str, Any]: ...

    def events(self, number: int) -> Sequence[OutgoingEvent]:
        """What throughput is measured with, in the order of time."""

    def eventful(self, number: int) -> Sequence[OutgoingEvent]:
        """What latency is measured with: of it more is told."""

    async def register(self, connection: Connection, now: datetime) -> None:
        """Make the places known to the department."""

    def outcome(self, told: Iterable[Told]) -> Outcome:
        """Of all that was told, in the order of each key."""

    def effects(self, told: Told) -> Iterable[Hashable]:
        """What an event shows to have been done; it may show again what one before it has."""


def of(job: str) -> City:
    module = import_module(f"loadtests.peers.jobs.{job}_city")
    return cast(City, module.CITY)
