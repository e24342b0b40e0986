"""The lots on the real parts, and what their tests say to them."""

import io
import json
import random
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import grpc
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from city.parking.v1 import lot_pb2 as pb
from city.parking.v1.lot_pb2_grpc import LotServiceStub
from city.type.v1.position_pb2 import Position
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from parking import messages
from parking.interval import Interval
from parking.lots.wiring import lots
from parking.settings import ParkingSettings

if TYPE_CHECKING:
    from city.parking.v1.lot_pb2_grpc import LotServiceAsyncStub

DEADLINE = 20.0
PROVIDER = "4190000"
STATUS_CHANGED = "parking.bay-status-changed.v1"
_EVENTS = Path(__file__).parents[2] / "events"
_SCHEMA = fastavro.parse_schema(json.loads((_EVENTS / "bay_status_changed.v1.avsc").read_text()))


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def key() -> str:
    return str(uuid.uuid4())


def somewhere() -> Position:
    """In the southern ocean, where no other lot is."""
    return Position(latitude=random.uniform(-60, -40), longitude=random.uniform(-150, 150))


def interval(start: datetime, hours: float = 1.0) -> pb.Interval:
    return messages.interval_message(Interval(start, start + timedelta(hours=hours)))


def tomorrow() -> datetime:
    """Noon in Seoul."""
    return (datetime.now(UTC) + timedelta(days=1)).replace(
        hour=3, minute=0, second=0, microsecond=0
    )


def public_lot(**changes: Any) -> pb.PublicLot:
    """A lot of its own, open and metered around the clock."""
    always = pb.Hours(start_minute=0, end_minute=1440)
    fields: dict[str, Any] = {
        "management_number": unique("000-2"),
        "name": "중앙공원",
        "provider_code": PROVIDER,
        "district": "경기도 부천시",
        "address": "경기도 부천시 중동 1177",
        "position": somewhere(),
        "bays": 5,
        "hours": pb.OperatingHours(weekday=always, saturday=always, holiday=always),
        "fees": pb.FeeSchedule(
            kind=pb.FEE_KIND_METERED,
            basic_minutes=30,
            basic_fee_won=300,
            unit_minutes=10,
            unit_fee_won=200,
            day_pass_won=4000,
        ),
        "operator": "경기도 부천도시공사",
        "phone": "032-340-0997",
        "remark": "연중무휴",
        "data_date": "2022-10-17",
    }
    return pb.PublicLot(**{**fields, **changes})


ALL_WEEK = [
    pb.WeeklyWindow(weekday=pb.Weekday.ValueType(day), start_minute=0, end_minute=1440)
    for day in range(1, 8)
]


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    error: grpc.aio.AioRpcError = raised.value
    return error


def reason(error: grpc.aio.AioRpcError) -> str:
    """Of google.rpc.ErrorInfo."""
    return str(_detail(error, error_details_pb2.ErrorInfo()).reason)


def violations(error: grpc.aio.AioRpcError) -> list[str]:
    """`field: expected …` of google.rpc.BadRequest."""
    request = _detail(error, error_details_pb2.BadRequest())
    return [f"{found.field}: {found.description}" for found in request.field_violations]


def _detail(error: grpc.aio.AioRpcError, empty: Any) -> Any:
    status = rpc_status.from_call(error)
    assert status is not None
    for detail in status.details:
        detail.Unpack(empty)
    return empty


@dataclass(frozen=True)
class Lots:
    """The running part as its callers see it."""

    service: RunningService[ParkingSettings]
    stub: "LotServiceAsyncStub"
    claimed: list[uuid.UUID] = field(default_factory=list)

    async def bring(self, *given: pb.PublicLot) -> list[str]:
        request = pb.ImportLotsRequest(idempotency_key=key(), lots=given)
        return list((await self.stub.ImportLots(request, timeout=DEADLINE)).lot_ids)

    async def alley(self, **changes: Any) -> pb.Lot:
        fields: dict[str, Any] = {
            "idempotency_key": key(),
            "lot_id": unique("alley"),
            "name": "삼정동 골목 공유주차",
            "address": "경기도 부천시 삼정동",
            "position": somewhere(),
            "operator": "상살미 마을관리 협동조합",
            "district": "경기도 부천시",
            "scheme": "samjeong",
            "unit_minutes": 10,
            "min_unit_fee_won": 50,
            "max_unit_fee_won": 300,
            "day_pass_won": 3000,
        }
        request = pb.RegisterSharedLotRequest(**{**fields, **changes})
        return (await self.stub.RegisterSharedLot(request, timeout=DEADLINE)).lot

    async def owner(self) -> str:
        owner_id = uuid.uuid4()
        await self.rows("insert into owner values (%s, '', '')", owner_id)
        return str(owner_id)

    async def offer(self, lot: pb.Lot, **changes: Any) -> pb.Bay:
        fields: dict[str, Any] = {
            "idempotency_key": key(),
            "bay_id": unique("bay"),
            "lot_id": lot.lot_id,
            "position": lot.position,
            "weekly_windows": ALL_WEEK,
            "unit_fee_won": 100,
        }
        fields.update(changes)
        request = pb.OfferBayRequest(**fields)
        request.owner_id = request.owner_id or await self.owner()
        return (await self.stub.OfferBay(request, timeout=DEADLINE)).bay

    async def lot(self, lot_id: str) -> pb.Lot:
        return (await self.stub.GetLot(pb.GetLotRequest(lot_id=lot_id), timeout=DEADLINE)).lot

    async def bay(self, bay_id: str) -> pb.Bay:
        return (await self.stub.GetBay(pb.GetBayRequest(bay_id=bay_id), timeout=DEADLINE)).bay

    async def quote(self, stay: pb.Interval, **place: str) -> pb.QuoteFeeResponse:
        return await self.stub.QuoteFee(
            pb.QuoteFeeRequest(interval=stay, **place), timeout=DEADLINE
        )

    async def search(self, point: Position, stay: pb.Interval, **changes: Any) -> list[pb.FoundBay]:
        fields = {"point": point, "radius_metres": 500.0, "interval": stay, **changes}
        answer = await self.stub.SearchBays(pb.SearchBaysRequest(**fields), timeout=DEADLINE)
        return list(answer.bays)

    async def claim(self, bay_id: str, stay: pb.Interval, status: str, **changes: Any) -> None:
        """A booking as the bookings' part writes it."""
        given = messages.interval("interval", stay)
        now = datetime.now(UTC)
        self.claimed.append(uuid.uuid4())
        values = {
            "id": self.claimed[-1],
            "bay": bay_id,
            "vehicle": uuid.uuid4(),
            "starts_at": given.starts_at,
            "ends_at": given.ends_at,
            "status": status,
            "now": now,
            "expires": now + timedelta(minutes=5),
            **changes,
        }
        await self.rows(
            "insert into booking (booking_id, bay_id, lot_id, vehicle_id, owners, during, status,"
            " revision, price_won, held_at, hold_expires_at, changed_at) select %(id)s, bay_id,"
            " lot_id, %(vehicle)s, false, tstzrange(%(starts_at)s, %(ends_at)s), %(status)s, 1,"
            " 0, %(now)s, %(expires)s, %(now)s from bay where bay_id = %(bay)s",
            values,
        )

    async def told(self, mesh: Mesh, *bay_ids: str) -> list[tuple[str, str, int]]:
        """Bay, status and revision of all changes of these bays so far, in their order."""

        async def published() -> bool:
            return not await self.rows("select id from outbox limit 1")

        await eventually(published)
        operator = mesh.environment("operator")
        consumer = AIOKafkaConsumer(
            bootstrap_servers=operator["OPERATOR_KAFKA__BOOTSTRAP_SERVERS"],
            security_protocol=operator["OPERATOR_KAFKA__SECURITY_PROTOCOL"],
            sasl_mechanism=operator["OPERATOR_KAFKA__SASL_MECHANISM"],
            sasl_plain_username=operator["OPERATOR_KAFKA__USERNAME"],
            sasl_plain_password=operator["OPERATOR_KAFKA__PASSWORD"],
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(STATUS_CHANGED, number) for number in range(6)])
            found = []
            for partition, end in (await consumer.end_offsets(consumer.assignment())).items():
                consumer.seek(partition, 0)
                while await consumer.position(partition) < end:
                    record = await consumer.getone(partition)
                    if record.key.decode() in bay_ids:
                        found.append(_decoded(record.value))
        finally:
            await consumer.stop()
        return sorted(found)

    async def rows(self, query: str, *parameters: Any) -> Sequence[dict[str, Any]]:
        """Parameters in order, or one mapping."""
        named = parameters[0] if parameters and isinstance(parameters[0], Mapping) else parameters
        async with self.service.backbone.database.transaction() as connection:
            answer = await connection.execute(query.encode(), named)
            return await answer.fetchall() if answer.description else []


def _decoded(value: bytes) -> tuple[str, str, int]:
    event: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), _SCHEMA, None)
    return event["bay_id"], event["status"], event["revision"]


@asynccontextmanager
async def running_lots(
    mesh: Mesh, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Lots]:
    """The part alone, with the department's database under it.

    Claims are taken away at the end: no other part's test must meet them.
    """

    async def bootstrap(backbone: Any) -> Any:
        return lots(backbone)

    async with run_service(mesh, ParkingSettings, bootstrap, "parking", settings) as service:
        running = Lots(service, LotServiceStub(service.channel))
        yield running
        await running.rows("delete from booking where booking_id = any(%s)", running.claimed)
