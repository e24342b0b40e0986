"""Bookings on the real broker, registry and database, with a clock that the tests move.

Lots, bays and vehicles are rows of this file, taken away at the end, so that no other test meets
cars that nobody parked. Nothing passes by the tasks but where a test asks for it.
"""

import asyncio
import io
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import fastavro
import grpc
import grpc.aio
from aiokafka import AIOKafkaConsumer, TopicPartition
from city.parking.v1 import booking_pb2 as pb
from city.parking.v1.booking_pb2_grpc import BookingServiceStub
from city_backbone.database import Database
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from parking.bookings import wiring
from parking.bookings.facts import BOOKING_CHANGED
from parking.bookings.sweep import Sweep
from parking.interval import Interval
from parking.messages import interval_message
from parking.settings import ParkingSettings

from ..unit.bookings_parts import NOW

if TYPE_CHECKING:
    from city.parking.v1.booking_pb2_grpc import BookingServiceAsyncStub

DEADLINE = 20.0
PARTITIONS = 3
# Seoul knows no summer time: whole days of 10 won for each begun minute, 1,000 at most.
PUBLIC = {"kind": "METERED", "unit_minutes": 1, "unit_fee_won": 10, "day_pass_won": 1000}
SHARED = {"kind": "METERED", "unit_minutes": 10, "unit_fee_won": 0, "day_pass_won": 5000}
ALL_DAY = {kind: [0, 1440] for kind in ("weekday", "saturday", "holiday")}
OPERATOR, DISTRICT = "village company", "bucheon"
_SCHEMA = fastavro.parse_schema(
    json.loads((Path(__file__).parents[2] / "events" / "booking_changed.v1.avsc").read_text())
)
_numbers = itertools.count(1)


class Clock:
    """Shows what it was set to."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


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


@dataclass
class World:
    """Lots and bays in the department's database, and whoever serves them behind the stub."""

    database: Database
    clock: Callable[[], datetime]
    stub: "BookingServiceAsyncStub"
    topic: "Topic"
    scheme: str = field(default_factory=lambda: f"bookings-{uuid4()}")
    lots: list[str] = field(default_factory=list)

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        async with self.database.transaction() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def execute(self, statement: str, *values: object, **named: object) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(statement, named or values)

    async def rules(self) -> None:
        """How the money of its lots is split; first of all."""
        for scheme, owner, operator, remainder, refunds, overstay in (
            (self.scheme, 50, 30, "OWNER", [[30, 100], [10, 33]], 150),
            (f"{self.scheme}-public", 0, 40, "DISTRICT", [[60, 100]], 100),
        ):
            await self.execute(
                "insert into split_rule values (%s, '2020-01-01', %s, %s, %s, %s, %s, %s)",
                *(scheme, owner, operator, 100 - owner - operator),
                *(remainder, json.dumps(refunds), overstay),
            )

    async def lot(
        self, kind: str = "PUBLIC", fees: Mapping[str, Any] = PUBLIC, scheme: str | None = None
    ) -> str:
        """One of its own, far from every other test's."""
        lot_id = f"bookings-{uuid4()}"
        self.lots.append(lot_id)
        await self.execute(
            "insert into lot (lot_id, kind, name, address, position, hours, fees, operator, phone,"
            " remark, district, scheme)"
            " values (%s, %s, '', '', point(%s, %s), %s, %s, %s, '', '', %s, %s)",
            *(lot_id, kind, random.uniform(-170, 170), random.uniform(-60, 60)),
            *(json.dumps(ALL_DAY), json.dumps(fees), OPERATOR, DISTRICT),
            scheme or (self.scheme if kind == "SHARED" else f"{self.scheme}-public"),
        )
        return lot_id

    async def bay(
        self,
        lot_id: str,
        owner_id: UUID | None = None,
        windows: Sequence[Sequence[int]] = (),
        unit_fee_won: int | None = None,
    ) -> str:
        number = next(_numbers)
        bay_id = f"bay-{uuid4()}"
        await self.execute(
            "insert into bay (bay_id, lot_id, number, position, owner_id, unit_fee_won,"
            " weekly_windows) select %s, lot_id, %s, position, %s, %s, %s from lot"
            " where lot_id = %s",
            *(bay_id, number, owner_id, unit_fee_won, json.dumps(windows), lot_id),
        )
        return bay_id

    async def shared_bay(self, owner_id: UUID, until_minute: int = 1380) -> str:
        """An alley's bay, lent each day from midnight on, for 331 won each ten minutes."""
        lot_id = await self.lot("SHARED", SHARED)
        windows = [[day, 0, until_minute] for day in range(1, 8)]
        return await self.bay(lot_id, owner_id, windows, 331)

    async def public_bay(self) -> str:
        return await self.bay(await self.lot())

    async def vehicle(self) -> UUID:
        vehicle_id = uuid4()
        await self.execute(
            "insert into vehicle (vehicle_id, plate_mac, plate, contact) values (%s, %s, '', '')",
            vehicle_id,
            vehicle_id.bytes,
        )
        return vehicle_id

    def span(self, start: float, end: float) -> Interval:
        """Minutes from now."""
        minute = timedelta(minutes=1)
        now = self.clock()
        return Interval(now + start * minute, now + end * minute)

    async def hold(self, bay_id: str, vehicle_id: UUID, start: float, end: float) -> pb.Booking:
        request = self.holding(bay_id, vehicle_id, start, end)
        return (await self.stub.HoldBay(request, timeout=DEADLINE)).booking

    def holding(
        self, bay_id: str, vehicle_id: UUID | str, start: float, end: float
    ) -> pb.HoldBayRequest:
        return pb.HoldBayRequest(
            idempotency_key=str(uuid4()),
            bay_id=bay_id,
            vehicle_id=str(vehicle_id),
            interval=interval_message(self.span(start, end)),
        )

    async def block(self, bay_id: str, owner_id: UUID, start: float, end: float) -> pb.Booking:
        request = pb.BlockBayRequest(
            idempotency_key=str(uuid4()),
            bay_id=bay_id,
            owner_id=str(owner_id),
            interval=interval_message(self.span(start, end)),
        )
        return (await self.stub.BlockBay(request, timeout=DEADLINE)).booking

    async def confirm(self, booking_id: str, reference: str = "pg-0001") -> pb.Booking:
        request = pb.ConfirmBookingRequest(
            idempotency_key=str(uuid4()), booking_id=booking_id, payment_reference=reference
        )
        return (await self.stub.ConfirmBooking(request, timeout=DEADLINE)).booking

    async def check_in(self, booking_id: str) -> pb.Booking:
        request = pb.CheckInRequest(idempotency_key=str(uuid4()), booking_id=booking_id)
        return (await self.stub.CheckIn(request, timeout=DEADLINE)).booking

    async def check_out(self, booking_id: str) -> pb.Booking:
        request = pb.CheckOutRequest(idempotency_key=str(uuid4()), booking_id=booking_id)
        return (await self.stub.CheckOut(request, timeout=DEADLINE)).booking

    async def cancel(self, booking_id: str) -> pb.Booking:
        request = pb.CancelBookingRequest(idempotency_key=str(uuid4()), booking_id=booking_id)
        return (await self.stub.CancelBooking(request, timeout=DEADLINE)).booking

    async def get(self, booking_id: str) -> pb.Booking:
        request = pb.GetBookingRequest(booking_id=booking_id)
        return (await self.stub.GetBooking(request, timeout=DEADLINE)).booking

    async def status(self, bay_id: str) -> str:
        rows = await self.rows("select status from bay_state where bay_id = %s", bay_id)
        return rows[0]["status"] if rows else "FREE"

    async def balances(self, *booking_ids: str | UUID) -> dict[str, int]:
        """Of these bookings, by account, without those that are even."""
        rows = await self.rows(
            "select account, sum(amount_won)::bigint as won from ledger_entry"
            " join ledger_posting using (posting_id) where booking_id = any(%s::uuid[])"
            " group by account having sum(amount_won) <> 0",
            [str(booking_id) for booking_id in booking_ids],
        )
        return {row["account"]: row["won"] for row in rows}

    async def told(self, booking_id: str, revision: int) -> list[dict[str, Any]]:
        """Waits until the topic has the revision, and returns all of the booking so far."""

        async def found() -> list[dict[str, Any]] | None:
            events = await self.topic.of(booking_id)
            return events if events and events[-1]["revision"] >= revision else None

        events = await eventually(found)
        assert events is not None
        return events

    async def clear(self) -> None:
        for table in ("booking", "bay_state"):
            await self.execute(
                f"delete from {table} where bay_id in"
                " (select bay_id from bay where lot_id = any(%s))",
                self.lots,
            )
        for table in ("lot_to_count", "lot_state", "bay", "lot"):
            await self.execute(f"delete from {table} where lot_id = any(%s)", self.lots)


@dataclass(kw_only=True)
class MovedWorld(World):
    """The part runs in this process, by a clock that the test moves."""

    clock: Clock
    service: RunningService[ParkingSettings]
    sweep: Sweep

    async def parked(self, bay_id: str, vehicle_id: UUID, start: float, end: float) -> pb.Booking:
        """Checked in; the clock moves to its start."""
        held = await self.hold(bay_id, vehicle_id, start, end)
        await self.confirm(held.booking_id)
        self.clock.move(minutes=start)
        return await self.check_in(held.booking_id)

    async def sense(self, bay_id: str, occupied: bool) -> None:
        """As the bay's sensor was heard now."""
        await self.execute(
            "insert into bay_state (bay_id, status, revision, changed_at, sensor_id,"
            " sensor_occupied, sensor_since, sensor_heard_at)"
            " values (%(bay)s, 'FREE', 0, %(now)s, %(bay)s, %(occupied)s, %(now)s, %(now)s)"
            " on conflict (bay_id) do update set sensor_id = excluded.sensor_id,"
            " sensor_occupied = excluded.sensor_occupied, sensor_since = excluded.sensor_since,"
            " sensor_heard_at = excluded.sensor_heard_at",
            bay=bay_id,
            now=self.clock.now,
            occupied=occupied,
        )

    async def pass_time(self) -> None:
        """Everything that is due by the clock, until nothing is."""
        for work in (self.sweep.pass_on, self.sweep.depart):
            due = True
            while due:
                async with self.database.transaction() as connection:
                    more = await work(connection)
                (left,) = await self.rows(
                    "select count(*) as n from booking where due_at <= %s", self.clock.now
                )
                due = more or (work == self.sweep.pass_on and left["n"] > 0)


class Topic:
    """Reads parking.booking-changed.v1 as the operator, from where it was at the start."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=environment["OPERATOR_KAFKA__BOOTSTRAP_SERVERS"],
            security_protocol=environment["OPERATOR_KAFKA__SECURITY_PROTOCOL"],
            sasl_mechanism=environment["OPERATOR_KAFKA__SASL_MECHANISM"],
            sasl_plain_username=environment["OPERATOR_KAFKA__USERNAME"],
            sasl_plain_password=environment["OPERATOR_KAFKA__PASSWORD"],
            enable_auto_commit=False,
            fetch_max_wait_ms=100,
        )
        self._partitions = [TopicPartition(BOOKING_CHANGED, number) for number in range(PARTITIONS)]
        self._seen: list[dict[str, Any]] = []
        self._reading = asyncio.Lock()

    async def start(self) -> None:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        for partition, end in (await self._consumer.end_offsets(self._partitions)).items():
            self._consumer.seek(partition, end)

    async def stop(self) -> None:
        await self._consumer.stop()

    async def all(self) -> list[dict[str, Any]]:
        """So far, per key in order; `key` and `ce_id` beside the fields."""
        async with self._reading:
            ends = await self._consumer.end_offsets(self._partitions)
            while [one for one, end in ends.items() if await self._consumer.position(one) < end]:
                for records in (await self._consumer.getmany(timeout_ms=200)).values():
                    self._seen.extend(map(_decoded, records))
        return self._seen

    async def of(self, booking_id: str) -> list[dict[str, Any]]:
        return [event for event in await self.all() if event["key"] == booking_id]


def _decoded(record: Any) -> dict[str, Any]:
    body: Any = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), _SCHEMA, None)
    headers = {name: value.decode() for name, value in record.headers}
    return {**body, "key": record.key.decode(), "ce_id": headers["ce_id"]}


@asynccontextmanager
async def running(
    mesh: Mesh, clock: Clock, overrides: Mapping[str, str]
) -> AsyncIterator[RunningService[ParkingSettings]]:
    """The part alone."""

    async def bootstrap(backbone: Backbone[ParkingSettings]) -> Service:
        return wiring.bookings(backbone, clock)

    slow = {"PARKING_BOOKINGS__SWEEP_EVERY_SECONDS": "3600"}
    async with run_service(
        mesh, ParkingSettings, bootstrap, "parking", {**slow, **overrides}
    ) as service:
        yield service


@asynccontextmanager
async def opened(mesh: Mesh, **overrides: str) -> AsyncIterator[MovedWorld]:
    clock = Clock()
    topic = Topic(mesh.environment("operator"))
    async with running(mesh, clock, overrides) as service:
        await topic.start()
        sweep = wiring.parts(service.backbone, clock).sweep
        world = MovedWorld(
            database=service.backbone.database,
            clock=clock,
            stub=BookingServiceStub(service.channel),
            topic=topic,
            service=service,
            sweep=sweep,
        )
        await world.rules()
        try:
            yield world
        finally:
            await world.clear()
            await topic.stop()
