"""The ledger on the real broker, registry and database, with a clock that the tests move.

Each world begins with empty books on a day of its own: of what others publish on the topics
nothing is of its days.
"""

import asyncio
import io
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import fastavro
import grpc
from aiokafka import AIOKafkaConsumer, TopicPartition
from city.parking.v1 import ledger_pb2 as pb
from city.parking.v1.ledger_pb2_grpc import LedgerServiceStub
from city_backbone.database import Connection
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from parking.clock import SEOUL
from parking.ledger.books import Books
from parking.ledger.sale import Sale
from parking.ledger.sealing import Sealing
from parking.ledger.wiring import books, ledger
from parking.settings import ParkingSettings

if TYPE_CHECKING:
    from city.parking.v1.ledger_pb2_grpc import LedgerServiceAsyncStub

DEADLINE = 20.0
SETTLED = "parking.settlement-posted.v1"
SEALED = "parking.ledger-sealed.v1"
EVENTS = Path(__file__).parents[2] / "events"
SCHEMAS = {
    SETTLED: fastavro.parse_schema(json.loads((EVENTS / "settlement_posted.v1.avsc").read_text())),
    SEALED: fastavro.parse_schema(json.loads((EVENTS / "ledger_sealed.v1.avsc").read_text())),
}
PARTITIONS = {SETTLED: 3, SEALED: 1}


class Clock:
    """Shows what it was set to: Seoul's noon of a day."""

    def __init__(self, day: date) -> None:
        self.now = noon(day)

    def __call__(self) -> datetime:
        return self.now


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), SEOUL).astimezone(UTC)


def a_sale(owner_id: UUID | None = None, **changes: Any) -> Sale:
    fields: dict[str, Any] = {
        "booking_id": uuid4(),
        "bay_id": "samjeong-001",
        "lot_id": "samjeong",
        "scheme": "samjeong",
        "operator": "마을관리기업",
        "district": "부천시",
        "owner_id": owner_id or uuid4(),
        "starts_at": datetime(2024, 6, 1, 3, tzinfo=UTC),
    }
    return Sale(**{**fields, **changes})


@dataclass
class World:
    service: RunningService[ParkingSettings]
    first: date
    clock: Clock
    books: Books
    sealing: Sealing
    stub: "LedgerServiceAsyncStub"

    def day(self, number: int) -> date:
        """Days of the ledger from 0."""
        return self.first + timedelta(days=number)

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        return self.service.backbone.database.transaction()

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        async with self.transaction() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def execute(self, statement: str, *values: object) -> None:
        async with self.transaction() as connection:
            await connection.execute(statement, values)

    async def entries(self, booking_id: UUID) -> list[tuple[str, str, int]]:
        """Kind, account and won, in the order they were posted."""
        found = await self.rows(
            "select kind, account, amount_won from ledger_posting"
            " join ledger_entry using (posting_id) where booking_id = %s order by entry_id",
            booking_id,
        )
        return [(row["kind"], row["account"], row["amount_won"]) for row in found]

    async def pay(self, sale: Sale, won: int) -> None:
        async with self.transaction() as connection:
            await self.books.pay(connection, sale, won, self.clock())

    async def settle(self, sale: Sale, prepaid: int, overstay: int = 0) -> None:
        async with self.transaction() as connection:
            await self.books.settle(connection, sale, prepaid, overstay, self.clock())

    async def refund(self, sale: Sale, prepaid: int, back: int) -> None:
        async with self.transaction() as connection:
            await self.books.refund(connection, sale, prepaid, back, self.clock())

    async def sold(self, won: int, sale: Sale | None = None) -> Sale:
        """Paid and settled."""
        made = sale or a_sale()
        await self.pay(made, won)
        await self.settle(made, won)
        return made

    async def seal_until(self, day: date) -> None:
        """As the service does on the morning of `day`: all days before it."""
        self.clock.now = noon(day) - timedelta(hours=6)
        more = True
        while more:
            async with self.transaction() as connection:
                more = await self.sealing.seal(connection)

    async def verify(self, *seals: pb.Seal) -> pb.VerifyLedgerResponse:
        return await self.stub.VerifyLedger(pb.VerifyLedgerRequest(seals=seals), timeout=DEADLINE)

    async def prove(self, booking_id: UUID, owner_id: UUID | None = None) -> Any:
        request = pb.GetSettlementProofRequest(
            booking_id=str(booking_id), owner_id=str(owner_id or "")
        )
        return await self.stub.GetSettlementProof(request, timeout=DEADLINE)

    async def balances(self, **of: Any) -> dict[str, int]:
        answer = await self.stub.ListBalances(pb.ListBalancesRequest(**of), timeout=DEADLINE)
        return {one.account: one.balance_won for one in answer.balances}

    async def seals(self) -> list[pb.Seal]:
        """As they stand in the database."""
        found = await self.rows("select * from ledger_day where sealed_at is not null order by day")
        messages = []
        for row in found:
            message = pb.Seal(
                day=row["day"].isoformat(),
                entries=row["entries"],
                root=row["root"],
                previous=row["previous"],
                seal_hash=row["seal_hash"],
            )
            message.sealed_at.FromDatetime(row["sealed_at"])
            messages.append(message)
        return messages


def clean(connection: Connection) -> Any:
    return connection.execute("truncate ledger_entry, ledger_posting, ledger_day")


@asynccontextmanager
async def running(
    mesh: Mesh, clock: Clock, overrides: Mapping[str, str] | None = None
) -> AsyncIterator[RunningService[ParkingSettings]]:
    """The part alone; by itself it seals only where a test asks for it."""

    async def bootstrap(backbone: Backbone[ParkingSettings]) -> Service:
        return ledger(backbone, clock)

    slow = {"PARKING_LEDGER__SEAL_EVERY_SECONDS": "3600"}
    async with run_service(
        mesh, ParkingSettings, bootstrap, "parking", {**slow, **(overrides or {})}
    ) as service:
        yield service


@asynccontextmanager
async def opened(mesh: Mesh) -> AsyncIterator[World]:
    first = date(2050, 1, 1) + timedelta(days=random.randrange(300_000))
    clock = Clock(first)
    async with running(mesh, clock) as service:
        backbone = service.backbone
        world = World(
            service,
            first,
            clock,
            books(backbone, clock),
            Sealing(backbone.outbox, clock),
            LedgerServiceStub(service.channel),
        )
        async with world.transaction() as connection:
            await clean(connection)
        try:
            yield world
        finally:
            async with world.transaction() as connection:
                await clean(connection)


def reason(error: grpc.aio.AioRpcError) -> str:
    """The status, and what google.rpc.ErrorInfo or the bad field says."""
    status = rpc_status.from_call(error)
    said: list[str] = []
    for detail in status.details if status else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            said = [violation.field for violation in bad.field_violations]
        elif detail.Unpack(info):
            said = [info.reason]
    return ":".join([error.code().name, *said])


async def published(world: World, mesh: Mesh, topic: str) -> list[Any]:
    """All records of a topic once the outbox is empty, read as operator."""

    async def sent() -> bool:
        return not await world.rows("select from outbox limit 1")

    await eventually(sent)
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
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS[topic])]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                async with asyncio.timeout(DEADLINE):
                    found.append(await consumer.getone(partition))
        return found
    finally:
        await consumer.stop()


def decoded(topic: str, value: bytes) -> dict[str, Any]:
    data: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), SCHEMAS[topic], None)
    return dict(data)
