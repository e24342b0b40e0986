"""The register of leases: what was altered is named, and its head is published daily."""

import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import fastavro
import grpc
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from cameras.leases.act import REGISTER_SEALED
from city.cameras.v1 import lease_pb2 as pb
from city_backbone.database import migrate
from city_backbone.testing import Mesh, eventually

from .leases_requests import reason
from .leases_world import DEADLINE, World, opened, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCHEMA = fastavro.parse_schema(
    json.loads((Path(__file__).parents[2] / "events" / "register_sealed.v1.avsc").read_text())
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        lease = await world.ask(await world.camera(), await world.incident())
        await world.approve(lease.lease_id)
        for _ in range(6):
            await world.token(lease.lease_id)
        yield world


@asynccontextmanager
async def altered(world: World, statement: str, *values: object) -> AsyncIterator[None]:
    """As somebody with the database's password could; put right again afterwards."""
    await world.execute("drop table if exists register_before")
    await world.execute("create table register_before as table register_record")
    await world.execute(statement, *values)
    try:
        yield
    finally:
        await world.execute("delete from register_record")
        await world.execute("insert into register_record table register_before")
        await world.execute("drop table register_before")


async def test_an_untouched_register_is_intact(world: World) -> None:
    verdict = await world.verify()
    assert (verdict.intact, verdict.first_bad_sequence, verdict.problem) == (True, 0, "")
    assert verdict.head.sequence == await world.head()
    older = pb.RegisterHead(sequence=verdict.head.sequence, hash=verdict.head.hash)
    await world.ask(await world.camera(), await world.incident())
    assert (await world.verify(older)).intact


@pytest.mark.parametrize(
    "column", ["actor", "action", "subject", "department", "source_address", "hash"]
)
async def test_a_bit_flipped(world: World, column: str) -> None:
    bad = await world.head() - 3
    flip = (
        f"update register_record set {column} ="
        f" chr(ascii({column}) # 1) || substr({column}, 2) where sequence = %s"
    )
    async with altered(world, flip, bad):
        verdict = await world.verify()
    assert not verdict.intact
    assert verdict.first_bad_sequence == bad
    assert (await world.verify()).intact


async def test_a_detail_changed(world: World) -> None:
    bad = await world.head() - 2
    change = (
        "update register_record set details = jsonb_set(details, '{camera_id}', '\"other\"')"
        " where sequence = %s"
    )
    async with altered(world, change, bad):
        verdict = await world.verify()
    assert (verdict.intact, verdict.first_bad_sequence) == (False, bad)


async def test_a_row_deleted(world: World) -> None:
    bad = await world.head() - 3
    async with altered(world, "delete from register_record where sequence = %s", bad):
        verdict = await world.verify()
    assert (verdict.intact, verdict.first_bad_sequence) == (False, bad)
    assert verdict.problem


async def test_two_rows_swapped(world: World) -> None:
    head = await world.head()
    first, second = head - 4, head - 2
    async with altered(
        world, "update register_record set sequence = 1000000000 where sequence = %s", first
    ):
        await world.execute(
            "update register_record set sequence = %s where sequence = %s", first, second
        )
        await world.execute(
            "update register_record set sequence = %s where sequence = 1000000000", second
        )
        verdict = await world.verify()
    assert (verdict.intact, verdict.first_bad_sequence) == (False, first)


async def test_the_tail_cut_shows_by_the_published_head(world: World, mesh: Mesh) -> None:
    published = (await seal_next_day(world, mesh, 1))[-1]
    head = pb.RegisterHead(sequence=published["sequence"], hash=published["head_hash"])
    assert head.sequence == await world.head()
    assert (await world.verify(head)).intact
    async with altered(world, "delete from register_record where sequence > %s", head.sequence - 2):
        assert (await world.verify()).intact  # a shorter chain is a chain
        verdict = await world.verify(head)
    assert (verdict.intact, verdict.first_bad_sequence) == (False, head.sequence - 1)


async def test_seals_of_an_earlier_release_are_kept(world: World) -> None:
    """Its table is made again as it was, with a seal in it, and the migration applied anew."""
    await world.execute("delete from _yoyo_migration where migration_id = '0005.seals'")
    await world.execute("create table lease_seal (like register_seal including all)")
    await world.execute(
        "insert into lease_seal values ('leases', '2020-02-29', 7, 'f', '2020-03-01T00:00:00Z')"
    )
    await migrate(world.service.backbone.settings.database, "cameras")
    kept = await world.rows(
        "select sequence, head_hash from register_seal where day = '2020-02-29'"
    )
    assert kept == [{"sequence": 7, "head_hash": "f"}]
    assert await world.rows("select to_regclass('lease_seal') as gone") == [{"gone": None}]


async def seal_next_day(world: World, mesh: Mesh, days: int) -> Sequence[dict[str, Any]]:
    """What two replicas publish when so many more days have ended."""
    (row,) = await world.rows("select coalesce(max(day), current_date) as day from register_seal")
    ended: date = row["day"] + timedelta(days=days)
    # A minute after midnight in Seoul, nine hours before UTC's.
    midnight = datetime.combine(ended + timedelta(days=1), time(), UTC) - timedelta(hours=9)
    world.clock.now = midnight + timedelta(minutes=1)
    before = len(await published(mesh))
    fast = {"CAMERAS_LEASES__SEAL_EVERY_SECONDS": "0.01"}

    async def sealed() -> bool:
        query = (
            "select (select max(day) from register_seal) = %s and not exists (select from outbox)"
        )
        return bool(next(iter((await world.rows(query, ended))[0].values())))

    async with (
        running(mesh, world.clock, {"CAMERAS_INSTANCE": "cameras-1", **fast}, stream=False),
        running(mesh, world.clock, {"CAMERAS_INSTANCE": "cameras-2", **fast}, stream=False),
    ):
        await eventually(sealed)
    news = (await published(mesh))[before:]
    assert {event["day"] for event in news} == {ended}
    assert {event["sealed_at"] for event in news} == {world.clock.now}
    return news


async def published(mesh: Mesh) -> list[dict[str, Any]]:
    """All seals on the topic, read as the operator."""
    environment = mesh.environment("operator")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=environment["OPERATOR_KAFKA__BOOTSTRAP_SERVERS"],
        security_protocol=environment["OPERATOR_KAFKA__SECURITY_PROTOCOL"],
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=environment["OPERATOR_KAFKA__USERNAME"],
        sasl_plain_password=environment["OPERATOR_KAFKA__PASSWORD"],
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        partition = TopicPartition(REGISTER_SEALED, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        (end,) = (await consumer.end_offsets([partition])).values()
        found: list[dict[str, Any]] = []
        while await consumer.position(partition) < end:
            record = await consumer.getone(partition)
            assert record.key == b"leases"
            data: Any = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), SCHEMA, None)
            found.append(data)
        return found
    finally:
        await consumer.stop()


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (pb.RegisterHead(sequence=-1, hash="0" * 64), "INVALID_ARGUMENT:heads[0].sequence"),
        (pb.RegisterHead(sequence=1, hash="x"), "INVALID_ARGUMENT:heads[0].hash"),
        (pb.RegisterHead(sequence=1, hash="A" * 64), "INVALID_ARGUMENT:heads[0].hash"),
    ],
)
async def test_a_bad_head(world: World, head: pb.RegisterHead, told: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.stub.VerifyRegister(pb.VerifyRegisterRequest(heads=[head]), timeout=DEADLINE)
    assert reason(raised.value) == told
