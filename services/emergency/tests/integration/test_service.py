"""The whole department in this process, on the real broker, registry and database."""

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import fastavro
import grpc
import psycopg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from city.emergency.v1 import emergency_pb2 as pb
from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceStub
from city.type.v1.position_pb2 import Position
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from emergency.bootstrap import bootstrap
from emergency.settings import EmergencySettings
from google.protobuf.timestamp_pb2 import Timestamp
from psycopg.rows import dict_row

from loadtests.rooms import Room, RoomSettings
from loadtests.rooms.sender import SendReport, SendRequest

from .conftest import API_KEY
from .parts import kafka

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEPARTMENTS = Path(__file__).parents[3]
ALERTS = "sensors.air-alert-changed.v1"
DEAD = f"{ALERTS}.emergency.dlt"
INCIDENTS = "emergency.incident-changed.v1"
PEER_KEY = "key-of-the-112-room"
ALERT_SCHEMA = fastavro.parse_schema(
    json.loads((DEPARTMENTS / "sensors/events/air_alert_changed.v1.avsc").read_text())
)


class Sensors:
    """Publishes air alerts as the department `sensors` does."""

    def __init__(self, producer: AIOKafkaProducer, schema_id: int) -> None:
        self._producer = producer
        self._schema_id = schema_id

    async def publish(
        self, alert: UUID, sequence: int, level: str, pollutant: str = "PM25"
    ) -> None:
        """The same arguments give the same event, id and bytes."""
        hour = datetime(2019, 3, 5, 3, 0, tzinfo=UTC) + timedelta(hours=sequence)
        data = {
            "alert_id": str(alert),
            "sequence": sequence,
            "dong": "보람동",
            "pollutant": pollutant,
            "level": level,
            "previous_level": "NONE",
            "issued_at": hour,
            "changed_at": hour,
            "official": False,
            "rule_version": "air-alert-2018-07",
            "causes": [
                {
                    "station_id": "s1",
                    "hour_end": hour,
                    "mean": 91.5,
                    "mean_id": str(uuid4()),
                    "revision": 1,
                }
            ],
            "latitude": 36.48,
            "longitude": 127.29,
        }
        event = OutgoingEvent(ALERTS, str(alert), event_id(alert, sequence), hour, data)
        value = io.BytesIO(struct.pack(">bI", 0, self._schema_id))
        value.seek(5)
        fastavro.schemaless_writer(value, ALERT_SCHEMA, data)
        await self._producer.send_and_wait(
            ALERTS,
            key=event.key.encode(),
            value=value.getvalue(),
            headers=cloudevents_headers(event, "sensors"),
        )


@dataclass(frozen=True)
class City:
    service: RunningService[EmergencySettings]
    room: Room
    stub: Any
    sensors: Sensors
    mesh: Mesh

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        async with self.service.backbone.database.transaction() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def records(self, topic: str, key: str) -> list[Any]:
        """All records of a key that are on the topic now, read as the operator."""
        consumer = AIOKafkaConsumer(
            topic,
            **kafka(self.mesh.environment("operator"), "OPERATOR"),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            partitions = list(consumer.assignment())
            assert partitions, f"{topic} is not on the broker"
            ends = await consumer.end_offsets(partitions)
            found: list[Any] = []
            while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    found += [record for record in batch if record.key == key.encode()]
            return found
        finally:
            await consumer.stop()

    def told(self, incident_id: str, *codes: str) -> Callable[[], Awaitable[bool]]:
        async def condition() -> bool:
            return [event.ocrSts for event in self.events(incident_id)] == list(codes)

        return condition

    def events(self, incident_id: str) -> list[Any]:
        """Without the answers to the 112 room, which is behind the same stand-in here."""
        return [
            event
            for event in self.room.events()
            if event.items["incidentId"] == incident_id
            and "answer" not in event.items
            and not event.repeat
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[City]:
    sensors = mesh.environment("sensors")
    url = f"{sensors['SENSORS_REGISTRY__URL']}/subjects/{ALERTS}-value/versions/latest"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        schema_id = int((await answer.json(content_type=None))["id"])
    record = tmp_path_factory.mktemp("room") / "room.jsonl"
    settings = RoomSettings(kind="disaster", record=record, api_key=API_KEY)
    async with (
        Room(settings).running() as room,
        run_service(mesh, EmergencySettings, bootstrap, "emergency", overrides(room)) as service,
        AIOKafkaProducer(**kafka(sensors, "SENSORS"), acks="all") as producer,
    ):
        yield City(
            service,
            room,
            EmergencyServiceStub(service.channel),
            Sensors(producer, schema_id),
            mesh,
        )


def overrides(room: Room) -> dict[str, str]:
    def to(name: str, kinds: list[str]) -> dict[str, Any]:
        key = API_KEY.get_secret_value()
        return {"name": name, "url": room.url, "api_key": key, "kinds": kinds}

    codes = {"send_code": "B4113000000", "system_code": "IPC", "api_key": PEER_KEY}
    return {
        # 112 sends to us too, so it must not hear its own; disaster hears everything.
        "EMERGENCY_ROOMS": json.dumps([to("disaster", ["*"]), to("112", ["112*"])]),
        "EMERGENCY_PEER_ROOMS": json.dumps([{"name": "112", **codes}]),
        "EMERGENCY_DELIVERY__POLL_SECONDS": "0.2",
    }


def incident_of(alert: UUID) -> str:
    return str(event_id("incident", "sensors", alert))


async def test_an_alert_becomes_an_incident_an_event_and_a_message(city: City) -> None:
    alert = uuid4()
    incident = incident_of(alert)
    await city.sensors.publish(alert, 1, "ADVISORY")
    await city.sensors.publish(alert, 1, "ADVISORY")
    await city.sensors.publish(alert, 2, "WARNING")
    await city.sensors.publish(alert, 3, "LIFTED")
    await eventually(city.told(incident, "10", "40", "50"), seconds=40)

    answer = await city.stub.GetIncident(pb.GetIncidentRequest(incident_id=incident))
    one = answer.incident
    assert (one.kind, one.title, one.place) == ("air.pm25", "초미세먼지(PM2.5) 경보", "보람동")
    assert (one.status, one.revision) == (pb.INCIDENT_STATUS_CLEARED, 3)
    assert [change.revision for change in one.history] == [1, 2, 3]
    assert [change.grade for change in one.history] == [
        pb.INCIDENT_GRADE_NORMAL,
        pb.INCIDENT_GRADE_URGENT,
        pb.INCIDENT_GRADE_URGENT,
    ]

    async def published() -> list[Any]:
        records = await city.records(INCIDENTS, incident)
        return records if len(records) >= 3 else []

    records = await eventually(published)
    ids = [dict(record.headers)["ce_id"].decode() for record in records]
    assert ids == [str(event_id(INCIDENTS, incident, revision)) for revision in (1, 2, 3)]
    items = city.events(incident)[1].items
    assert (items["pollutant"], items["level"], items["official"]) == ("PM25", "WARNING", "false")


async def test_a_missing_first_alert_still_opens(city: City) -> None:
    alert = uuid4()
    await city.sensors.publish(alert, 2, "WARNING")
    await city.sensors.publish(alert, 1, "ADVISORY")
    await city.sensors.publish(alert, 3, "LIFTED")
    await eventually(city.told(incident_of(alert), "10", "50"), seconds=40)
    (event, _) = city.events(incident_of(alert))
    assert event.evtGrad == "10"


async def test_an_unusable_alert_goes_to_the_dead_letters_and_stops_nobody(city: City) -> None:
    bad, good = uuid4(), uuid4()
    await city.sensors.publish(bad, 1, "NONE")
    await city.sensors.publish(good, 1, "ADVISORY", "O3")
    await eventually(city.told(incident_of(good), "10"), seconds=40)
    found = await city.rows("select 1 from incident where incident_id = %s", incident_of(bad))
    assert found == []

    async def buried() -> bool:
        return len(await city.records(DEAD, str(bad))) == 1

    await eventually(buried)


def report(**changes: Any) -> pb.ReportIncidentRequest:
    return pb.ReportIncidentRequest(
        **{
            "idempotency_key": str(uuid4()),
            "kind": "fire",
            "grade": pb.INCIDENT_GRADE_URGENT,
            "title": "화재",
            "description": "연기",
            "place": "조치원읍",
            "position": Position(latitude=36.6, longitude=127.3),
            **changes,
        }
    )


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), refused.value.details() or ""


async def test_reporting_twice_with_one_key_opens_one_incident(city: City) -> None:
    request = report()
    first = await city.stub.ReportIncident(request)
    second = await city.stub.ReportIncident(request)
    assert first.incident == second.incident
    assert (first.incident.source, first.incident.revision) == ("operator", 1)
    same_key = report(idempotency_key=request.idempotency_key, title="다른 화재")
    assert (await refusal(city.stub.ReportIncident(same_key)))[0] is grpc.StatusCode.ALREADY_EXISTS
    await eventually(city.told(first.incident.incident_id, "10"))


async def test_concurrent_reports_with_one_key_open_one_incident(city: City) -> None:
    request = report()
    answers = await asyncio.gather(*(city.stub.ReportIncident(request) for _ in range(5)))
    assert len({answer.incident.incident_id for answer in answers}) == 1


async def test_an_update_moves_on_or_is_refused(city: City) -> None:
    opened = (await city.stub.ReportIncident(report())).incident
    clear = pb.UpdateIncidentRequest(
        idempotency_key=str(uuid4()),
        incident_id=opened.incident_id,
        expected_revision=1,
        status=pb.INCIDENT_STATUS_CLEARED,
    )
    cleared = await city.stub.UpdateIncident(clear)
    assert (await city.stub.UpdateIncident(clear)).incident == cleared.incident
    assert cleared.incident.revision == 2

    def update(status: int, **changes: Any) -> Awaitable[Any]:
        request = pb.UpdateIncidentRequest(
            idempotency_key=str(uuid4()), incident_id=opened.incident_id, **changes
        )
        request.status = status  # type: ignore[assignment]
        return city.stub.UpdateIncident(request)  # type: ignore[no-any-return]

    completed = pb.INCIDENT_STATUS_COMPLETED
    assert (await refusal(update(completed, expected_revision=1)))[0] is grpc.StatusCode.ABORTED
    code, text = await refusal(update(pb.INCIDENT_STATUS_CANCELLED))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "CLEARED cannot become CANCELLED" in text
    assert (await update(completed, description="진화")).incident.description == "진화"
    code, _ = await refusal(update(pb.INCIDENT_STATUS_CHANGED, description="다시"))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    await eventually(city.told(opened.incident_id, "10", "50", "91"))

    async def delivered() -> bool:
        answer = await city.stub.GetIncident(pb.GetIncidentRequest(incident_id=opened.incident_id))
        (delivery,) = answer.incident.deliveries
        return (delivery.room, delivery.acknowledged_revision, delivery.pending) == (
            "disaster",
            3,
            0,
        )

    await eventually(delivered)


async def test_concurrent_updates_each_get_a_revision(city: City) -> None:
    opened = (await city.stub.ReportIncident(report())).incident

    async def change(number: int) -> int:
        request = pb.UpdateIncidentRequest(
            idempotency_key=str(uuid4()),
            incident_id=opened.incident_id,
            status=pb.INCIDENT_STATUS_CHANGED,
            description=f"소식 {number}",
        )
        return int((await city.stub.UpdateIncident(request)).incident.revision)

    revisions = await asyncio.gather(*(change(number) for number in range(8)))
    assert sorted(revisions) == list(range(2, 10))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"kind": ""}, "kind"),
        ({"kind": "fire!"}, "kind"),
        ({"grade": 0}, "grade"),
        ({"grade": 9}, "grade"),
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"description": "a\x00"}, "description"),
        ({"position": Position(latitude=91)}, "position.latitude"),
        ({"position": Position(longitude=float("nan"))}, "position.longitude"),
        ({"occurred_at": Timestamp(seconds=253402300799)}, "occurred_at"),
        ({"occurred_at": Timestamp(seconds=-10)}, "occurred_at"),
        ({"occurred_at": Timestamp(nanos=-1)}, "occurred_at"),
    ],
)
async def test_a_wrong_report_names_its_field(
    city: City, changes: dict[str, Any], field: str
) -> None:
    code, text = await refusal(city.stub.ReportIncident(report(**changes)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text.startswith(field)


async def test_other_wrong_requests(city: City) -> None:
    stub, bad = city.stub, grpc.StatusCode.INVALID_ARGUMENT
    nobody = str(uuid4())
    get, update = pb.GetIncidentRequest, pb.UpdateIncidentRequest
    for call, code in (
        (stub.GetIncident(get(incident_id=nobody)), grpc.StatusCode.NOT_FOUND),
        (stub.GetIncident(get(incident_id="x")), bad),
        (
            stub.UpdateIncident(
                update(
                    idempotency_key=str(uuid4()),
                    incident_id=nobody,
                    status=pb.INCIDENT_STATUS_CLEARED,
                )
            ),
            grpc.StatusCode.NOT_FOUND,
        ),
        (stub.UpdateIncident(update(idempotency_key=str(uuid4()), incident_id=nobody)), bad),
        (
            stub.UpdateIncident(
                update(
                    idempotency_key=str(uuid4()),
                    incident_id=nobody,
                    status=pb.INCIDENT_STATUS_CHANGED,
                )
            ),
            bad,
        ),
        (stub.ListIncidents(pb.ListIncidentsRequest(page_size=1001)), bad),
        (stub.ListIncidents(pb.ListIncidentsRequest(page_token="x")), bad),
        (stub.ListIncidents(pb.ListIncidentsRequest(kind="a b")), bad),
        (
            stub.ListIncidents(
                pb.ListIncidentsRequest(statuses=[77])  # type: ignore[list-item]
            ),
            bad,
        ),
    ):
        assert (await refusal(call))[0] is code
    with pytest.raises(grpc.aio.AioRpcError, match="cursor"):
        async for _ in stub.WatchIncidents(pb.WatchIncidentsRequest(cursor="-1")):
            pass


async def test_pages_hold_each_incident_once_newest_first(city: City) -> None:
    kind = f"test.{uuid4().hex}"
    at = datetime(2026, 1, 1, tzinfo=UTC)
    ids = []
    for number in range(5):
        stamp = Timestamp()
        stamp.FromDatetime(at + timedelta(seconds=number // 2))
        answer = await city.stub.ReportIncident(report(kind=kind, occurred_at=stamp))
        ids.append(answer.incident.incident_id)
    found: list[Any] = []
    token = ""
    while True:
        page = await city.stub.ListIncidents(
            pb.ListIncidentsRequest(kind=kind, page_size=2, page_token=token)
        )
        found += page.incidents
        token = page.next_page_token
        if not token:
            break
    assert sorted(one.incident_id for one in found) == sorted(ids)
    times = [one.occurred_at.ToDatetime() for one in found]
    assert times == sorted(times, reverse=True)
    only = await city.stub.ListIncidents(
        pb.ListIncidentsRequest(kind=kind, statuses=[pb.INCIDENT_STATUS_CLEARED])
    )
    assert list(only.incidents) == []


async def test_a_watch_misses_nothing_and_resumes(city: City) -> None:
    kind = f"test.{uuid4().hex}"
    start = (await city.rows("select coalesce(max(change), 0) as c from incident_change"))[0]["c"]
    reports = asyncio.gather(*(city.stub.ReportIncident(report(kind=kind)) for _ in range(30)))

    async def watch(cursor: str, count: int) -> tuple[list[str], str]:
        seen: list[str] = []
        call = city.stub.WatchIncidents(pb.WatchIncidentsRequest(cursor=cursor), timeout=30)
        async for change in call:
            cursor = change.cursor
            if change.incident.kind == kind:
                seen.append(change.incident.incident_id)
            if len(seen) == count:
                break
        call.cancel()
        return seen, cursor

    first, cursor = await watch(str(start), 10)
    second, _ = await watch(cursor, 20)
    opened = [answer.incident.incident_id for answer in await reports]
    assert sorted(first + second) == sorted(opened)


EVENT: dict[str, Any] = {
    "evtId": "112UC001",
    "evtNm": "112센터 긴급영상 지원",
    "evtGrad": "10",
    "ocrLc": {"crdntX": "127.0337", "crdntY": "37.7381", "crdntZ": "0"},
    "ocrPlc": "의정부역 동부광장",
    "ocrEvtCn": "폭행 신고",
    "ocrEvtUsr": {"ocrEvtUsrId": "op7", "ocrEvtUsrNm": "근무자"},
}


class Room112:
    """The 112 room as a sender of one occurrence."""

    def __init__(self, city: City, encoding: str = "json") -> None:
        self._city = city
        self._encoding = encoding
        self.number = datetime.now(UTC).strftime("%Y%m%d%H%M%S%f")[:17]
        self.incident_id = str(event_id("incident", "scsns", "B4113000000_IPC", self.number))

    async def send(self, status: str, **changes: Any) -> SendReport:
        body = EVENT | {"ocrNbr": self.number, "ocrSts": status} | changes
        return await self._city.room.send(
            SendRequest.model_validate(
                {
                    "target": self._city.service.http_url,
                    "api_key": PEER_KEY,
                    "encoding": self._encoding,
                    "body": body,
                }
            )
        )

    async def result(self, status: str, **changes: Any) -> tuple[str, str]:
        sent = await self.send(status, **changes)
        assert sent.event is not None, sent.auth
        assert sent.event.status == 200
        return sent.event.answer["result"], sent.event.answer["message"]


@pytest.mark.parametrize("encoding", ["json", "form"])
async def test_a_room_tells_us_of_an_incident(city: City, encoding: str) -> None:
    room = Room112(city, encoding)
    assert await room.result("10") == ("0", "received")
    assert await room.result("10") == ("0", "already received")
    assert await room.result("40", ocrEvtCn="2명 도주") == ("0", "received")
    assert await room.result("50") == ("0", "received")
    assert await room.result("92") == ("0", "received")
    answer = await city.stub.GetIncident(pb.GetIncidentRequest(incident_id=room.incident_id))
    one = answer.incident
    assert [change.status for change in one.history] == [1, 2, 3, 5]
    assert (one.kind, one.source, one.source_reference) == (
        "112UC001",
        "B4113000000_IPC",
        room.number,
    )
    assert one.history[1].description == "2명 도주"
    assert one.history[0].changed_by == "112 근무자"
    # Told to the disaster room, not back to 112, though 112 hears of 112*.
    await eventually(city.told(room.incident_id, "10", "40", "50", "91"))
    told = await city.rows(
        "select distinct room from room_message where incident_id = %s and not answer",
        UUID(room.incident_id),
    )
    assert told == [{"room": "disaster"}]


async def test_an_end_without_a_clearing_clears_first(city: City) -> None:
    room = Room112(city)
    assert await room.result("10") == ("0", "received")
    assert await room.result("91") == ("0", "received")
    assert await room.result("91") == ("0", "already received")
    await eventually(city.told(room.incident_id, "10", "50", "91"))


async def test_what_the_life_cycle_refuses_is_answered_with_the_reason(city: City) -> None:
    room = Room112(city)
    result, reason = await room.result("50")
    assert (result, "not known here" in reason) == ("1", True)
    await room.result("10")
    await room.result("90")
    result, reason = await room.result("40")
    assert result == "1"
    assert "CANCELLED cannot become CHANGED" in reason
    # A refused message has left no trace, so it is refused again.
    assert (await room.result("40"))[0] == "1"


async def test_a_seconds_number_and_a_late_change_open_too(city: City) -> None:
    room = Room112(city)
    number = room.number[:14]
    assert await room.result("40", ocrNbr=number) == ("0", "received")
    rows = await city.rows("select status from incident where source_reference = %s", number)
    assert [row["status"] for row in rows] == ["OCCURRED"]


async def test_identical_messages_at_once_have_one_effect(city: City) -> None:
    room = Room112(city)
    answers = await asyncio.gather(*(room.result("10") for _ in range(5)))
    assert sorted(text for _, text in answers) == ["already received"] * 4 + ["received"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ocrSts": "41"}, "body.ocrSts"),
        ({"evtId": ""}, "body.evtId"),
        ({"ocrLc": {"crdntX": "x", "crdntY": "1"}}, "body.ocrLc.crdntX"),
        ({"ocrEvtCn": "a\x00b"}, "body.ocrEvtCn"),
    ],
)
async def test_a_wrong_body_is_refused_by_field(
    city: City, changes: dict[str, Any], field: str
) -> None:
    result, reason = await Room112(city).result("10", **changes)
    assert result == "1"
    assert reason.startswith(field)


@pytest.mark.parametrize(
    ("content_type", "raw", "status", "reason"),
    [
        ("application/json", b"{", 400, "JSON"),
        ("application/json", b"[]", 400, "object"),
        ("text/plain", b"{}", 400, "content type"),
        ("application/json", b"{}", 200, "svcTy"),
        ("application/json", b'{"svcTy":"EVENT","a":"' + b"x" * 300_000 + b'"}', 200, "bytes"),
        (
            "application/json",
            b'{"svcTy":"EVENT","sendCd":"B4113000000","sysCd":"IPC","encAt":"Y","body":"ff"}',
            200,
            "ARIA-256",
        ),
        (
            "application/json",
            b'{"svcTy":"EVENT","sendCd":"B4113000000","sysCd":"IPC","rrKey":"dead","body":{}}',
            200,
            "rrKey",
        ),
    ],
)
async def test_bad_bytes_get_a_reason(
    city: City, content_type: str, raw: bytes, status: int, reason: str
) -> None:
    url = f"{city.service.http_url}/integrationPlatformEvent"
    headers = {"Content-Type": content_type}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=raw, headers=headers) as response,
    ):
        answer = await response.json()
    assert response.status == status
    assert (answer["result"], answer["startTag"]) == ("1", "$DA")
    assert reason in answer["message"]


async def test_a_wrong_key_gets_no_session(city: City) -> None:
    order = SendRequest.model_validate(
        {"target": city.service.http_url, "api_key": "wrong", "body": {}}
    )
    sent = await city.room.send(order)
    assert sent.event is None
    assert sent.auth.answer["message"].startswith("body.apiKey")


async def test_a_session_key_is_for_its_own_codes_and_time(city: City) -> None:
    headers = {"Content-Type": "application/json"}
    body = EVENT | {"ocrNbr": "20261121100000", "ocrSts": "10"}
    auth = {"svcTy": "AUTH", "sendCd": "B4113000000", "sysCd": "IPC", "body": {"apiKey": PEER_KEY}}
    async with aiohttp.ClientSession(city.service.http_url, headers=headers) as session:

        async def post(path: str, message: dict[str, Any]) -> dict[str, str]:
            async with session.post(path, data=json.dumps(message)) as response:
                answer: dict[str, str] = await response.json()
                return answer

        key = (await post("/api/getAuth.json", auth))["message"]
        event = {"svcTy": "EVENT", "sysCd": "IPC", "rrKey": key, "body": body}
        other = await post("/integrationPlatformEvent", event | {"sendCd": "B9999999999"})
        assert (other["result"], other["message"][:6]) == ("1", "sendCd")
        await city.rows("update scsns_session set expires_at = now() returning room")
        late = await post("/integrationPlatformEvent", event | {"sendCd": "B4113000000"})
        assert (late["result"], late["message"][:5]) == ("1", "rrKey")


async def test_nobody_else_sees_the_database(mesh: Mesh) -> None:
    other = mesh.environment("sensors")["SENSORS_DATABASE__DSN"]
    wrong = other.rsplit("/", 1)[0] + "/emergency"
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(wrong, row_factory=dict_row, connect_timeout=3)
