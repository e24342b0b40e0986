"""The real database, and a stand-in room on a real socket."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from city_backbone.database import Connection, Database, migrate
from city_backbone.events import OutgoingEvent
from city_backbone.outbox import Outbox
from city_backbone.settings import DatabaseSettings
from city_backbone.testing import Mesh
from emergency.domain.routing import Route
from emergency.envelope import Envelope
from emergency.ledger import Ledger
from emergency.telemetry import Metrics
from opentelemetry.metrics import get_meter
from pydantic import SecretStr

from loadtests.rooms import Room, RoomSettings

ENVELOPE = Envelope(base64.b64encode(bytes(32)).decode())
API_KEY = SecretStr("key-of-the-disaster-room")


@pytest.fixture
def room_settings(tmp_path: Path) -> RoomSettings:
    return RoomSettings(kind="disaster", record=tmp_path / "room.jsonl", api_key=API_KEY)


@pytest.fixture
async def room(room_settings: RoomSettings) -> AsyncIterator[Room]:
    async with Room(room_settings).running() as running:
        yield running


@pytest.fixture(scope="session")
def database_settings(mesh: Mesh) -> DatabaseSettings:
    """Emergency's own database, with its tables."""
    dsn = mesh.environment("emergency")["EMERGENCY_DATABASE__DSN"]
    settings = DatabaseSettings(dsn=SecretStr(dsn))
    asyncio.run(migrate(settings, "emergency"))
    return settings


@pytest.fixture
async def database(database_settings: DatabaseSettings) -> AsyncIterator[Database]:
    database = Database(database_settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(get_meter("emergency"))


class NoOutbox(Outbox):
    """For tests of what is not the event."""

    def __init__(self) -> None: ...

    async def add(self, connection: Connection, events: Sequence[OutgoingEvent]) -> None:
        """Nothing."""


@pytest.fixture
def route() -> Route:
    """To a room of this test's own, so that what other tests left is not sent."""
    return Route(f"room-{uuid4()}"[:40], ("*",))


@pytest.fixture
def ledger(route: Route, metrics: Metrics) -> Ledger:
    return Ledger(NoOutbox(), [route], metrics)
