"""The event this department owns, and those it reads."""

import copy
import io
import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest
from city_backbone import registration
from emergency.domain.acute import AcuteReading, Severity
from emergency.domain.air import AirAlert, Cause, Level
from emergency.domain.alarm import Alarm, AlarmKind, Purpose
from emergency.domain.incident import Facts, Grade, Incident, Position, Source, Status
from emergency.ledger import TOPIC, incident_changed
from emergency.stream import ACUTE_READING_DETECTED, AIR_ALERT_CHANGED, ALARM_ESCALATED

HERE = Path(__file__).parents[2]
EVENTS = HERE / "events"
OWN = EVENTS / "incident_changed.v1.avsc"
CONSUMED = EVENTS / "consumed/air_alert_changed.v1.avsc"
CONSUMED_ALARM = EVENTS / "consumed/alarm_escalated.v1.avsc"
CONSUMED_READING = EVENTS / "consumed/acute_reading_detected.v1.avsc"
CAMERAS = HERE.parent / "cameras/events/alarm_escalated.v1.avsc"
HEALTH = HERE.parent / "health/events/acute_reading_detected.v1.avsc"
SENSORS = HERE.parent / "sensors/events/air_alert_changed.v1.avsc"


def schema(path: Path) -> Any:
    return json.loads(path.read_text())


def golden(path: Path) -> Any:
    """The one record of an example in Avro's JSON encoding."""
    with path.open() as lines:
        text = io.StringIO(json.dumps(json.load(lines)))
    (record,) = fastavro.json_reader(text, fastavro.parse_schema(schema(OWN)))
    return record


EXAMPLE = golden(EVENTS / "examples/incident_changed.v1.json")


def evolved(old: Any, default: Any = "") -> Any:
    """The next version: a field more, and one that had a default less."""
    new = copy.deepcopy(old)
    new["fields"] = [field for field in new["fields"] if field["name"] != "longitude"]
    new["fields"].append({"name": "added", "type": "string", "doc": "New.", "default": default})
    return new


def written(data: Any, writer: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(writer), data)
    buffer.seek(0)
    return buffer


def read(buffer: io.BytesIO, writer: Any, reader: Any) -> Any:
    return fastavro.schemaless_reader(
        buffer, fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    )


@pytest.mark.parametrize("path", sorted(EVENTS.rglob("*.avsc")), ids=lambda path: path.stem)
def test_schemas_parse_and_every_field_is_documented(path: Path) -> None:
    fastavro.parse_schema(schema(path))
    for field in schema(path)["fields"]:
        assert field["doc"].endswith("."), field["name"]


def test_the_example_is_written_and_read_back() -> None:
    assert read(written(EXAMPLE, schema(OWN)), schema(OWN), schema(OWN)) == EXAMPLE
    assert EXAMPLE["occurred_at"] == datetime(2019, 3, 5, 3, 0, tzinfo=UTC)


def test_an_old_reader_reads_the_next_version() -> None:
    new = evolved(schema(OWN))
    data = {k: v for k, v in EXAMPLE.items() if k != "longitude"} | {"added": "x"}
    back = read(written(data, new), new, schema(OWN))
    assert (back["title"], back["longitude"]) == (EXAMPLE["title"], None)


def test_a_new_reader_reads_the_old_version() -> None:
    back = read(written(EXAMPLE, schema(OWN)), schema(OWN), evolved(schema(OWN), "none"))
    assert (back["title"], back["added"]) == (EXAMPLE["title"], "none")


@pytest.mark.parametrize("name", ["status", "grade"])
def test_an_unknown_symbol_is_read_as_unknown(name: str) -> None:
    new = schema(OWN)
    (field,) = (field for field in new["fields"] if field["name"] == name)
    field["type"]["symbols"].append("LATER")
    back = read(written(EXAMPLE | {name: "LATER"}, new), new, schema(OWN))
    assert back[name] == "UNKNOWN"


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("position", [None, Position(36.5, 127.3)])
@pytest.mark.parametrize(("code", "desks"), [(None, ()), (0, ("119", "112"))])
def test_every_incident_fits_the_schema(
    status: Status, position: Position | None, code: int | None, desks: tuple[str, ...]
) -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    facts = Facts(Grade.URGENT, "화재", "", "", position, police_code=code, desks=desks)
    incident = Incident(UUID(int=1), "fire", status, facts, at, at, "x", Source("x", "1"))
    event = incident_changed(incident)
    assert event.topic == TOPIC
    back = read(written(event.data, schema(OWN)), schema(OWN), schema(OWN))
    assert (back["status"], back["police_code"], back["desks"]) == (status, code, list(desks))


def test_items_do_not_leave_by_the_event() -> None:
    """They may hold what only rooms are to know."""
    at = datetime(2026, 11, 21, tzinfo=UTC)
    facts = Facts(Grade.URGENT, "화재", "", "", items={"카메라": "living-0001-1"})
    incident = Incident(UUID(int=1), "fire", Status.OCCURRED, facts, at, at, "x", Source("x", "1"))
    assert "living-0001-1" not in str(incident_changed(incident).data)


def alert_example(writer: Any) -> dict[str, Any]:
    at = datetime(2019, 3, 5, 4, 0, tzinfo=UTC)
    known = {
        "alert_id": "a1",
        "sequence": 1,
        "dong": "보람동",
        "pollutant": "PM10",
        "level": "ADVISORY",
        "previous_level": "NONE",
        "issued_at": at,
        "changed_at": at,
        "official": False,
        "rule_version": "air-alert-2018-07",
        "causes": [
            {"station_id": "s1", "hour_end": at, "mean": 162.0, "mean_id": "m1", "revision": 1}
        ],
        "latitude": 36.48,
        "longitude": 127.29,
    }
    return {field["name"]: known[field["name"]] for field in writer["fields"]}


@pytest.mark.parametrize("writer", [p for p in (SENSORS, CONSUMED) if p.exists()], ids=str)
def test_what_sensors_writes_is_what_we_read(writer: Path) -> None:
    """The folder of sensors may be away: then our own schema stands in for its writer's."""
    data = alert_example(schema(writer))
    alert = AirAlert.read(read(written(data, schema(writer)), schema(writer), schema(CONSUMED)))
    assert (alert.level, alert.dong, alert.official) == (Level.ADVISORY, "보람동", False)
    assert alert.causes == [Cause("s1", alert.changed_at, 162.0)]


def alarm_example(writer: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
    known = {
        "alarm_id": str(UUID(int=7)),
        "kind": "FIGHT",
        "site_id": "living-0001",
        "place": "의정부역 동부광장",
        "purpose": "LIVING_AREA_SECURITY",
        "latitude": 37.7389,
        "longitude": 127.0459,
        "urgency": "URGENT",
        "occurred_at": at,
        "escalated_at": at,
        "escalated_by": "kim.operator",
        "automatic": False,
        "reason": "두 명이 다툼",
        "camera_ids": ["living-0001-1"],
        "rule_id": "fight",
        "rule_version": 1,
    }
    return {field["name"]: known[field["name"]] for field in writer["fields"]}


@pytest.mark.parametrize("writer", [p for p in (CAMERAS, CONSUMED_ALARM) if p.exists()], ids=str)
def test_what_cameras_writes_is_what_we_read(writer: Path) -> None:
    """The folder of cameras may be away: then our own schema stands in for its writer's."""
    data = written(alarm_example(schema(writer)), schema(writer))
    alarm = Alarm.read(read(data, schema(writer), schema(CONSUMED_ALARM)))
    assert (alarm.kind, alarm.place, alarm.reason) == ("FIGHT", "의정부역 동부광장", "두 명이 다툼")


def reading_example(writer: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
    known = {
        "case_id": str(UUID(int=7)),
        "kiosk_id": "jochiwon-1",
        "place": "조치원읍 행정복지센터 1층",
        "zone": "조치원",
        "latitude": 36.6011,
        "longitude": 127.2986,
        "severity": "CRITICAL",
        "score": 6,
        "rule_version": 1,
        "taken_at": at,
        "detected_at": at,
    }
    return {field["name"]: known[field["name"]] for field in writer["fields"]}


@pytest.mark.parametrize("writer", [p for p in (HEALTH, CONSUMED_READING) if p.exists()], ids=str)
def test_what_health_writes_is_what_we_read(writer: Path) -> None:
    """The folder of health may be away: then our own schema stands in for its writer's."""
    data = written(reading_example(schema(writer)), schema(writer))
    reading = AcuteReading.read(read(data, schema(writer), schema(CONSUMED_READING)))
    assert (reading.case_id, reading.severity) == (UUID(int=7), Severity.CRITICAL)
    assert reading.place == "조치원읍 행정복지센터 1층"


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [
        (CONSUMED_ALARM, "DetectionKind", AlarmKind),
        (CONSUMED_ALARM, "Purpose", Purpose),
        (CONSUMED_READING, "Severity", Severity),
    ],
)
def test_every_symbol_of_the_reader_schema_is_known(
    path: Path, name: str, known: type[StrEnum]
) -> None:
    (symbols,) = (
        field["type"]["symbols"]
        for field in schema(path)["fields"]
        if isinstance(field["type"], dict) and field["type"].get("name") == name
    )
    assert set(symbols) - {"UNKNOWN"} == set(known)


def test_the_registration_names_what_the_code_uses() -> None:
    registered = registration.load(HERE / "service.yaml")
    assert [produced.topic for produced in registered.produces] == [TOPIC]
    consumed = [consumed.topic for consumed in registered.consumes]
    assert consumed == [AIR_ALERT_CHANGED, ALARM_ESCALATED, ACUTE_READING_DETECTED]
    assert registered.produces[0].key in EXAMPLE
