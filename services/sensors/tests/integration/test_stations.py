"""Stations and what is asked about them."""

import uuid
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from city.sensors.v1 import sensors_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.testing import eventually
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from sensors import facts
from sensors.silences import STATIONS_METRIC, Silences

from .conftest import Department, at, reading, station, unique

pytestmark = pytest.mark.asyncio(loop_scope="module")


def violations(error: grpc.aio.AioRpcError) -> list[str]:
    """The fields that google.rpc.BadRequest names."""
    status = rpc_status.from_call(error)
    assert status is not None
    request = error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(request)
    return [violation.field for violation in request.field_violations]


async def test_registered_once_per_key(department: Department) -> None:
    name = unique("key")
    request = pb.RegisterStationRequest(idempotency_key=str(uuid.uuid4()), station=station(name))
    first = await department.stub.RegisterStation(request, timeout=9)
    assert first.station.pollutants == station(name).pollutants
    await department.register(name, name="다른 이름")
    assert await department.stub.RegisterStation(request, timeout=9) == first
    known = await department.stub.GetStation(pb.GetStationRequest(station_id=name), timeout=9)
    assert known.station.name == "다른 이름"
    request.station.name = "또 다른 이름"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await department.stub.RegisterStation(request, timeout=9)
    assert raised.value.code() is grpc.StatusCode.ALREADY_EXISTS


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"station_id": "Not An Id"}, "station.station_id"),
        ({"interval_minutes": 7}, "station.interval_minutes"),
        ({"pollutants": []}, "station.pollutants"),
        ({"pollutants": [99]}, "station.pollutants[0]"),
        ({"kind": pb.STATION_KIND_UNSPECIFIED}, "station.kind"),
        ({"position": Position(latitude=91)}, "station.position.latitude"),
    ],
)
async def test_a_wrong_field_is_named(
    department: Department, changes: dict[str, object], field: str
) -> None:
    wrong = {"station_id": "s-1", **changes}
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await department.register(str(wrong.pop("station_id")), "동", **wrong)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(raised.value) == [field]


async def test_a_key_that_is_no_uuid(department: Department) -> None:
    request = pb.RegisterStationRequest(idempotency_key="again", station=station("s-1"))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await department.stub.RegisterStation(request, timeout=9)
    assert violations(raised.value) == ["idempotency_key"]


async def test_what_is_not_there(department: Department) -> None:
    nobody = unique("nobody")
    known = await department.register(unique("no-air"))
    stub = department.stub
    for call in (
        stub.GetStation(pb.GetStationRequest(station_id=nobody), timeout=9),
        stub.GetAirQuality(pb.GetAirQualityRequest(station_id=nobody), timeout=9),
        stub.GetAirQuality(pb.GetAirQualityRequest(station_id=known), timeout=9),
        stub.RetireStation(
            pb.RetireStationRequest(idempotency_key=str(uuid.uuid4()), station_id=nobody), timeout=9
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_stations_in_pages(department: Department) -> None:
    dong = unique("목록동")
    names = sorted([await department.register(unique("listed"), dong) for _ in range(5)])
    request = pb.ListStationsRequest(dong=dong, page_size=2)
    seen: list[str] = []
    while True:
        answer = await department.stub.ListStations(request, timeout=9)
        seen += [one.station_id for one in answer.stations]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert seen == names


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        ("ListStations", pb.ListStationsRequest(page_token="x"), "page_token"),
        ("ListStations", pb.ListStationsRequest(page_token="WzFd"), "page_token"),
        ("ListStations", pb.ListStationsRequest(page_size=1001), "page_size"),
        ("ListAlerts", pb.ListAlertsRequest(page_token="WyJhIiwgImIiXQ=="), "page_token"),
        ("GetStation", pb.GetStationRequest(station_id="A B"), "station_id"),
        ("GetMap", pb.GetMapRequest(south_west=Position(latitude=91)), "south_west.latitude"),
        ("GetMap", pb.GetMapRequest(south_west=Position(longitude=1)), "north_east.longitude"),
    ],
)
async def test_requests_that_cannot_be_right(
    department: Department, method: str, request_message: object, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await getattr(department.stub, method)(request_message, timeout=9)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(raised.value) == [field]


async def test_the_map_shows_the_box_and_who_is_silent(department: Department) -> None:
    inside = await department.register(
        unique("inside"), position=Position(latitude=-33.0, longitude=-70.0)
    )
    outside = await department.register(
        unique("outside"), position=Position(latitude=-33.2, longitude=-70.0)
    )
    for name in (inside, outside):
        await department.publish(reading(name, at(0), O3=0.02))
        await department.processed(name)
    await department.one(
        "update station_contact set silent_since = now() where station_id = %s returning 1", inside
    )
    answer = await department.stub.GetMap(
        pb.GetMapRequest(
            south_west=Position(latitude=-33.1, longitude=-70.1),
            north_east=Position(latitude=-32.9, longitude=-69.9),
        ),
        timeout=9,
    )
    shown = {one.station_id: one for one in answer.air_qualities}
    assert inside in shown
    assert outside not in shown
    assert shown[inside].silent
    assert shown[inside].index == 33


async def test_a_watch_shows_what_is_known_then_what_is_new_and_resumes(
    department: Department,
) -> None:
    dong = unique("보는동")
    name = await department.register(unique("watched"), dong)
    await department.publish(reading(name, at(0), O3=0.02))
    await department.processed(name)
    watch = department.stub.WatchAirQuality(pb.WatchAirQualityRequest(dong=dong), timeout=20)
    known: Any = await watch.read()
    assert known.air_quality.hour_end.ToDatetime(UTC) == at(0)
    await department.publish(reading(name, at(60), O3=0.03))
    new: Any = await watch.read()
    assert new.air_quality.hour_end.ToDatetime(UTC) == at(60)
    watch.cancel()
    await department.publish(reading(name, at(120), O3=0.04))
    await department.processed(name)
    resumed = department.stub.WatchAirQuality(
        pb.WatchAirQualityRequest(dong=dong, cursor=new.cursor), timeout=20
    )
    newest: Any = await resumed.read()
    assert newest.air_quality.hour_end.ToDatetime(UTC) == at(120)
    resumed.cancel()
    wrong = department.stub.WatchAirQuality(pb.WatchAirQualityRequest(cursor="-1"), timeout=20)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await wrong.read()
    assert violations(raised.value) == ["cursor"]


async def test_silence_is_told_once_and_ends_with_the_next_reading(
    department: Department,
) -> None:
    name = await department.register(unique("hush"), interval_minutes=10)

    async def told() -> int:
        return len(await department.events(facts.STATION_SILENT, station_id=name))

    async def long_ago(column: str) -> None:
        await department.one(
            f"update station_contact set {column} = {column} - interval '31 minutes'"
            " where station_id = %s returning 1",
            name,
        )

    async def silent() -> object:
        return await department.one(
            "select silent_since from station_contact where station_id = %s", name
        )

    async def heard() -> bool:
        return await silent() is None

    await long_ago("registered_at")
    await eventually(silent)
    backbone = department.service.backbone
    silences = Silences(backbone.outbox, backbone.meter, lambda: datetime.now(UTC))
    async with backbone.database.transaction() as connection:
        await silences.tell(connection)
    await department.processed(name)
    assert await told() == 1
    await department.publish(reading(name, at(10), PM10=1))
    await eventually(heard)
    await long_ago("last_received_at")
    await eventually(silent)
    await department.processed(name)
    first, second = await department.events(facts.STATION_SILENT, station_id=name)
    assert (first["last_received_at"], second["last_received_at"] is None) == (None, False)
    assert first["ce_id"] != second["ce_id"]


async def test_stations_in_service_are_measured_by_state(department: Department) -> None:
    backbone, reader = department.service.backbone, InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("sensors")
    silences = Silences(backbone.outbox, meter, lambda: datetime.now(UTC))

    async def measured() -> dict[object, float]:
        async with backbone.database.transaction() as connection:
            await silences.tell(connection)
        data = reader.get_metrics_data()
        assert data is not None
        return {
            (point.attributes or {})["state"]: point.value
            for metric in data.resource_metrics[0].scope_metrics[0].metrics
            if metric.name == STATIONS_METRIC
            for point in metric.data.data_points
            if isinstance(point, NumberDataPoint)
        }

    before = await measured()
    await department.register(unique("heard"))
    hush = await department.register(unique("hush"), interval_minutes=10)
    gone = await department.register(unique("gone"))
    await department.one(
        "update station_contact set registered_at = registered_at - interval '31 minutes'"
        " where station_id = %s returning 1",
        hush,
    )
    await department.stub.RetireStation(
        pb.RetireStationRequest(idempotency_key=str(uuid.uuid4()), station_id=gone), timeout=9
    )

    async def marked() -> bool:
        """By the service's own turn: two that mark do not wait for each other."""
        query = "select silent_since is not null from station_contact where station_id = %s"
        return bool(await department.one(query, hush))

    await eventually(marked)
    assert await measured() == {"heard": before["heard"] + 1, "silent": before["silent"] + 1}
