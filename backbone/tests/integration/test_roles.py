"""One service as two processes: calls in one, the stream in the other; see docs/decisions/0019."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from city_backbone.testing import Mesh, eventually
from probe.bootstrap import SERVICE

from .processes import Probe, get, probe
from .things import DOUBLED, Database, Source, kafka_client, outbox_is_empty


class City:
    """Starts the probe's processes and asks them."""

    def __init__(self, mesh: Mesh, folder: Path, stack: AsyncExitStack) -> None:
        self._operator = mesh.environment("operator")
        self._environment = mesh.environment("probe")
        self._policy = folder / "policy.json"
        self._policy.write_text(json.dumps({f"{SERVICE}/*": ["operator"]}))
        self._stack = stack

    async def start(self, role: str, instance: str = "", **more: str) -> tuple[Probe, Any]:
        """A process, ready, and what it said then."""
        process = await self._stack.enter_async_context(
            probe(
                self._environment,
                PROBE_ROLE=role,
                PROBE_INSTANCE=instance or f"probe-{role}-0",
                PROBE_POLICY_FILE=str(self._policy),
                **more,
            )
        )
        ready = await process.logged("service ready")
        url = f"http://127.0.0.1:{ready['http_port']}/readyz"

        async def is_ready() -> bool:
            return (await get(url))[0] == 200

        await eventually(is_ready, seconds=40)
        return process, ready

    async def ask(self, port: int, name: str) -> int:
        async with open_channel(
            f"127.0.0.1:{port}",
            TlsSettings(
                cert_file=Path(self._operator["OPERATOR_TLS__CERT_FILE"]),
                key_file=Path(self._operator["OPERATOR_TLS__KEY_FILE"]),
                ca_file=Path(self._operator["OPERATOR_TLS__CA_FILE"]),
            ),
            server_name="probe",
        ) as channel:
            method: Any = channel.unary_unary(f"/{SERVICE}/Ask")
            return int(await method(name.encode(), timeout=10))


class Group:
    """The probe's consumer group, as the broker sees it."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin
        self.states: set[str] = set()

    async def members(self) -> Mapping[str, tuple[str, bytes]]:
        """Id and assignment by instance; the group's state is noted."""
        (answer,) = await self._admin.describe_consumer_groups(["probe"])
        (group,) = answer.groups
        _, _, state, _, _, members, *_ = group
        self.states.add(state)
        # A static member's id is its name and a UUID.
        return {one[0][: -len(f"-{UUID(int=0)}")]: (one[0], one[4]) for one in members}

    async def watch(self) -> None:
        """Note states until cancelled."""
        while True:
            await self.members()
            await asyncio.sleep(0.05)


@pytest.fixture
async def group(environment: dict[str, str]) -> AsyncIterator[Group]:
    admin = AIOKafkaAdminClient(**kafka_client(environment, "PROBE"))
    await admin.start()
    try:
        yield Group(admin)
    finally:
        await admin.close()


@pytest.fixture
async def city(mesh: Mesh, tmp_path: Path) -> AsyncIterator[City]:
    async with AsyncExitStack() as stack:
        yield City(mesh, tmp_path, stack)


async def test_the_two_roles_share_the_work_and_neither_needs_the_other(
    city: City, source: Source, database: Database, environment: dict[str, str]
) -> None:
    stream, told = await city.start("stream")
    assert told["grpc_port"] == 0
    assert (await get(f"http://127.0.0.1:{told['http_port']}/hello"))[0] == 404
    rpc, ready = await city.start("rpc")
    assert (await get(f"http://127.0.0.1:{ready['http_port']}/hello"))[0] == 200
    await source.send(range(50))
    await source.has_counted(database, 50)
    assert await city.ask(ready["grpc_port"], source.run) == 50
    await outbox_is_empty(database)

    assert await rpc.end(signal.SIGKILL) == -signal.SIGKILL
    await source.send(range(50, 80))
    await source.has_counted(database, 80)
    await outbox_is_empty(database)

    rpc, ready = await city.start("rpc")
    assert await stream.end(signal.SIGKILL) == -signal.SIGKILL
    await source.send(range(80, 90))
    assert await city.ask(ready["grpc_port"], f"{source.run}-again") == 0
    await outbox_is_empty(database)
    assert await source.count(database) == 80, "nobody streams now"

    await city.start("stream")
    await source.has_counted(database, 90)
    await outbox_is_empty(database)
    assert await rpc.end(signal.SIGTERM, seconds=10) == 0
    assert sorted(row["count"] for row in await source.effects(database)) == list(range(90))
    doubled = [dict(one.headers)["ce_id"] for one in await source.records(environment, DOUBLED)]
    assert len(doubled) == len(set(doubled)) == 92


async def test_a_restart_moves_no_partition_of_the_other(
    city: City, group: Group, source: Source, database: Database
) -> None:
    # Only who is restarted needs it: what a test leaves behind is in the group that long.
    session = {"PROBE_KAFKA__SESSION_TIMEOUT_SECONDS": "30"}
    one, _ = await city.start("stream", "one", **session)
    await city.start("stream", "other")
    before = await group.members()
    assert before.keys() == {"one", "other"}
    assert before["one"][1] != before["other"][1], "each was to have partitions of its own"
    group.states.clear()
    watching = asyncio.create_task(group.watch())
    assert await one.end(signal.SIGTERM, seconds=10) == 0
    for place in range(6):  # of so many keys each partition has some
        await source.send(range(place * 10, place * 10 + 10), key=f"{place}-{{}}")
    await source.has_counted(database, 1)  # the other one goes on meanwhile
    await city.start("stream", "one", **session)
    await source.has_counted(database, 60)
    watching.cancel()
    after = await group.members()
    assert group.states == {"Stable"}
    assert after["other"] == before["other"]
    assert after["one"][1] == before["one"][1]
    assert after["one"][0] != before["one"][0]


async def test_of_two_processes_of_one_name_the_older_ends_and_says_why(
    city: City, group: Group, source: Source, database: Database
) -> None:
    older, _ = await city.start("stream", "one")
    _, told = await city.start("stream", "one")
    sending = asyncio.create_task(_send_slowly(source, 40))
    assert await older.end(seconds=60) == 1
    last = older.lines[-1]
    assert (last["event"], last["level"]) == ("service stopped", "error")
    assert "INSTANCE one: another process has joined the group under this name" in last["error"]
    await sending
    await source.has_counted(database, 40)
    assert (await get(f"http://127.0.0.1:{told['http_port']}/readyz"))[0] == 200
    assert "one" in await group.members()
    assert len(await source.effects(database)) == 40


async def _send_slowly(source: Source, number: int) -> None:
    for one in range(number):
        await source.send([one])
        await asyncio.sleep(0.05)
