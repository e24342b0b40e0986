"""Workers that are killed, come and go: every alarm once, to the last one."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cameras.alarms import facts
from cameras.alarms.ledger import Ledger
from cameras.alarms.tasks import escalate_due
from cameras.alarms.telemetry import Metrics
from city_backbone.events import OutgoingEvent
from city_backbone.testing import Mesh, eventually

from .alarms_mesh import DEAD_LETTERS, Centre, open_centre, persistent, process_environment, watcher

WORKER = Path(__file__).with_name("alarms_worker.py")


@asynccontextmanager
async def worker(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The part as a process of its own; ended with it when it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(WORKER),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def kept(environment: Mapping[str, str]) -> AsyncIterator[None]:
    """A worker that is started anew when it ends, as one is that stands still over a backlog."""

    async def keep() -> None:
        while True:
            async with worker(environment) as process:
                await process.wait()

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def backlog(sites: Sequence[str]) -> list[OutgoingEvent]:
    """Second by second over all sites: an alarm each, with two witnesses."""
    seen = [
        *(event for site in sites for event in persistent(site, 70, kind="ABANDONMENT")),
        *(
            event
            for site in sites
            for event in persistent(site, 70, kind="ABANDONMENT", camera="2", track="b")
        ),
    ]
    return sorted(seen, key=lambda event: event.time)


async def each_once(centre: Centre, sites: Sequence[str]) -> None:
    """One alarm, told once, with both witnesses, for each site; and no detection refused."""

    async def both() -> bool:
        rows = await centre.rows(
            "select from alarm where site_id = any(%s) and jsonb_array_length(witnesses) = 2",
            list(sites),
        )
        return len(rows) >= len(sites)

    async def published() -> bool:
        return await centre.rows("select from outbox limit 1") == []

    await eventually(both, seconds=90)
    await eventually(published, seconds=30)
    rows = await centre.rows(
        "select site_id, number from alarm where site_id = any(%s)", list(sites)
    )
    assert sorted((row["site_id"], row["number"]) for row in rows) == sorted(
        (site, 1) for site in sites
    )
    for site in sites:
        told = await centre.topics.events(facts.ALARM_RAISED, site)
        assert len({event["headers"]["ce_id"] for event in told}) == 1
        changed = await centre.topics.events(facts.ALARM_CHANGED, site)
        revisions = list(dict.fromkeys(event["revision"] for event in changed))
        assert revisions == list(range(2, 2 + len(revisions)))
        assert await centre.topics.events(DEAD_LETTERS, site) == []


@pytest.mark.timeout(400)
async def test_a_worker_killed_again_and_again_raises_every_alarm_once(mesh: Mesh) -> None:
    kills = 6
    environment = process_environment(mesh, CAMERAS_KAFKA__MAX_POLL_RECORDS="20")
    handled = "select coalesce(sum(last_offset + 1), 0)::bigint as sum from site_watch"
    async with open_centre(mesh, watcher) as centre:
        sites = [await centre.site() for _ in range(8)]
        events = backlog(sites)
        share = len(events) // (kills + 1)
        for kill in range(kills):
            before = (await centre.rows(handled))[0]["sum"]

            async def moved(before: int = before) -> bool:
                return bool((await centre.rows(handled))[0]["sum"] > before)

            async with worker(environment) as process:
                await centre.see(events[kill * share : (kill + 1) * share])
                await eventually(moved, seconds=90)
                process.send_signal(signal.SIGKILL)
                assert await process.wait() == -signal.SIGKILL
        async with worker(environment) as process:
            await centre.see(events[kills * share :])
            await each_once(centre, sites)
            process.terminate()
            async with asyncio.timeout(20):
                assert await process.wait() == 0


@pytest.mark.timeout(400)
async def test_of_two_replicas_that_share_the_work_one_leaves(mesh: Mesh) -> None:
    ports = free_port(), free_port()
    one, other = (
        process_environment(
            mesh,
            CAMERAS_INSTANCE=f"cameras-{port}",
            CAMERAS_HTTP__PORT=str(port),
            CAMERAS_ALARMS__ESCALATE_EVERY_SECONDS="0.05",
            CAMERAS_STALL_SECONDS="15",
        )
        for port in ports
    )
    async with open_centre(mesh, watcher) as centre, kept(one):
        sites = [await centre.site() for _ in range(8)]
        events = backlog(sites)
        third = len(events) // 3
        await eventually(lambda: ready(ports[0]), seconds=60)
        await centre.see(events[:third])
        async with worker(other) as process:
            await centre.see(events[third : 2 * third])
            await eventually(lambda: ready(ports[1]), seconds=60)
            await escalated_once(centre)
            process.terminate()
            async with asyncio.timeout(30):
                assert await process.wait() == 0
        await centre.see(events[2 * third :])
        await each_once(centre, sites)


async def escalated_once(centre: Centre) -> None:
    """Alarms that become due at once, with several replicas looking for such."""
    site_id = await centre.site()
    for number in range(20):
        await centre.see(persistent(site_id, 12, kind="FALL", first=700 * number))
    await centre.alarms(site_id, 20, seconds=90)
    await centre.execute(
        "update alarm set escalates_at = now() where site_id = %s and status = 'RAISED'", site_id
    )
    told = await centre.told(facts.ALARM_ESCALATED, site_id, 20, seconds=90)
    assert len({event["alarm_id"] for event in told}) == len(told) == 20
    rows = await centre.rows("select status, revision from alarm where site_id = %s", site_id)
    assert rows == [{"status": "ESCALATED", "revision": 2}] * 20


async def test_what_one_replica_is_escalating_another_leaves_alone(mesh: Mesh) -> None:
    async with open_centre(mesh, CAMERAS_ALARMS__ESCALATE_EVERY_SECONDS="3600") as centre:
        backbone = centre.service.backbone
        ledger = Ledger(backbone.outbox, Metrics(backbone.meter))
        site_id = await centre.site()
        await centre.see(persistent(site_id))
        await centre.alarms(site_id)
        due = datetime.now(UTC) + timedelta(hours=1)
        async with backbone.database.transaction() as one:
            assert await escalate_due(one, ledger, due) >= 1
            async with asyncio.timeout(5), backbone.database.transaction() as two:
                assert await escalate_due(two, ledger, due) == 0
        async with backbone.database.transaction() as two:
            assert await escalate_due(two, ledger, due) == 0
        assert len(await centre.told(facts.ALARM_ESCALATED, site_id)) == 1


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def ready(port: int) -> bool:
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://127.0.0.1:{port}/readyz") as response,
        ):
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
