"""The department as a process: killed in the middle of its work, and asked to stop."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from city_backbone.database import Database
from city_backbone.testing import Mesh, eventually
from emergency import store
from emergency.domain.incident import Facts, Grade, Incident, Position, Source, Status
from emergency.domain.routing import Route
from emergency.ledger import Ledger

from loadtests.rooms import Room
from loadtests.rooms.faults import Mode

from .conftest import API_KEY

CODES = ["10", "40", "50", "91"]
INCIDENTS = 50


@pytest.fixture
def environment(mesh: Mesh, room: Room, route: Route) -> Mapping[str, str]:
    key = API_KEY.get_secret_value()
    # What other tests left on the alerts' topic is none of this room's business.
    rooms = [{"name": route.room, "url": room.url, "api_key": key, "kinds": ["fire"]}]
    ports = {f"EMERGENCY_{server}__PORT": "0" for server in ("GRPC", "HTTP")}
    return {
        **os.environ,
        **mesh.environment("emergency"),
        **ports,
        "EMERGENCY_ROOMS": json.dumps(rooms),
        "EMERGENCY_DELIVERY__POLL_SECONDS": "0.2",
    }


@asynccontextmanager
async def process(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "emergency",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def record_lives(database: Database, ledger: Ledger) -> None:
    """Whole lives of incidents, recorded at once."""
    at = datetime.now(UTC).replace(microsecond=0)
    revisions = []
    for _ in range(INCIDENTS):
        facts = Facts(Grade.NORMAL, "화재", "연기", "보람동", Position(36.5, 127.3))
        one = Incident(
            uuid4(), "fire", Status.OCCURRED, facts, at, at, "operator", Source("operator", "1")
        )
        revisions.append(one)
        for number, status in enumerate((Status.CHANGED, Status.CLEARED, Status.COMPLETED), 1):
            one = one.advance(status, at + timedelta(seconds=number), "operator")
            revisions.append(one)
    async with database.transaction() as connection:
        await store.lock(connection, [one.id for one in revisions])
        await ledger.record(connection, revisions)


async def test_sigkill_loses_nothing_and_doubles_nothing(
    room: Room, database: Database, ledger: Ledger, environment: Mapping[str, str]
) -> None:
    room.set_mode(Mode(mode="slow", delay_seconds=0.05))

    async def effects(count: int) -> bool:
        return room.counts().effects >= count

    await record_lives(database, ledger)
    for killed_after in (20, 70, 120):
        async with process(environment) as running:
            await eventually(partial(effects, killed_after), seconds=60)
            running.send_signal(signal.SIGKILL)
            await running.wait()
    async with process(environment):
        await eventually(partial(effects, INCIDENTS * len(CODES)), seconds=60)
    counts = room.counts()
    assert (counts.effects, counts.duplicates, counts.out_of_order) == (INCIDENTS * 4, 0, 0)
    assert counts.by_status == dict.fromkeys(CODES, INCIDENTS)


async def test_sigterm_ends_it_well(
    room: Room, database: Database, ledger: Ledger, environment: Mapping[str, str]
) -> None:
    async def told() -> bool:
        return room.counts().effects > 0

    await record_lives(database, ledger)
    async with process(environment) as running:
        await eventually(told, seconds=60)
        running.terminate()
        async with asyncio.timeout(15):
            assert await running.wait() == 0
