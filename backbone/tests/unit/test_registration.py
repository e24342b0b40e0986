"""`service.yaml`: what is read, and that what is wrong is named by file, line and field."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from city_backbone.registration import RegistrationError, load, load_all

PARKING = """\
service: parking
owner: "@city/parking-office"
contact: parking@city.example
port: 50063
http_port: 51063
priority: urgent
quotas:
  producer_byte_rate: 1048576
produces:
  - topic: parking.bay-status.v1
    schema: bay_status.v1.avsc
    key: bay_id
    partitions: 6
    retention: 7d
    class: public
consumes:
  - topic: cameras.alarm-raised.v1
    schema: consumed/alarm_raised.v1.avsc
serves: [city.parking.v1.ParkingService]
calls: [city.cameras.v1.CameraService/FindNear]
secrets: [VAULT__KEY]
folders: [KEYRING]
exposes: [/lots.geojson, /fhir]
reaches: [rooms]
"""


def write(folder: Path, text: str, name: str = "service.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_everything(tmp_path: Path) -> None:
    registration = load(write(tmp_path, PARKING))
    produced = registration.produces[0]
    assert registration.service == registration.group == "parking"
    assert registration.priority == "urgent"
    assert registration.events == tmp_path / "events"
    assert (produced.schema_file, produced.visibility) == ("bay_status.v1.avsc", "public")
    assert produced.retention == timedelta(days=7)
    assert produced.subject == "parking.bay-status.v1-value"
    assert registration.consumes[0].schema_file == "consumed/alarm_raised.v1.avsc"
    assert registration.secrets == ("VAULT__KEY",)
    assert registration.folders == ("KEYRING",)
    assert registration.exposes == ("/lots.geojson", "/fhir")
    assert registration.reaches == ("rooms",)
    assert not produced.compacted
    assert registration.quotas is not None
    assert registration.quotas.producer_byte_rate == 1048576
    assert registration.dead_letter_topics() == {
        "cameras.alarm-raised.v1": "cameras.alarm-raised.v1.parking.dlt"
    }


def test_a_client_has_no_dead_letter_topics(tmp_path: Path) -> None:
    text = "service: operator\nowner: o\ncontact: c\nconsumes: [{topic: cameras.alarm-raised.v1}]\n"
    registration = load(write(tmp_path, text))
    assert registration.is_client
    assert registration.dead_letter_topics() == {}


def test_a_dead_letter_topic_can_be_read_and_has_none_of_its_own(tmp_path: Path) -> None:
    dead = "cameras.alarm-raised.v1.health.dlt"
    registration = load(write(tmp_path, PARKING.replace("cameras.alarm-raised.v1", dead)))
    assert registration.consumes[0].topic == dead
    assert registration.dead_letter_topics() == {}


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "reason"),
    [
        ("partitions: 6", "partitions: 0", 13, "produces[0].partitions", "greater than or equal"),
        ("partitions: 6", "partitions: many", 13, "produces[0].partitions", "integer"),
        ("retention: 7d", "retention: 7", 14, "produces[0].retention", '"7d"'),
        ("retention: 7d", "retention: 0d", 14, "produces[0].retention", '"7d"'),
        ("class: public", "class: secret", 15, "produces[0].class", "'public'"),
        ("    key: bay_id\n", "", 10, "produces[0].key", "missing"),
        ("    key: bay_id", "    key: a\n    color: red", 13, "produces[0].color", "unknown"),
        ("topic: parking.bay-status.v1", "topic: bays", 10, "produces[0].topic", "<department>"),
        ("topic: parking.bay", "topic: health.bay", 10, "produces[0].topic", "parking.*"),
        ("topic: cameras.alarm-raised.v1", "topic: x_y.v1", 17, "consumes[0].topic", "<dep"),
        ("service: parking", "service: Parking", 1, "service", "match"),
        ("service: parking\n", "", 1, "service", "missing"),
        ("port: 50063", "port: 80", 4, "port", "1024"),
        ("http_port: 51063", "http_port: 50063", 5, "http_port", "another port"),
        ("port: 50063\n", "", 18, "serves", "port"),
        ("contact: parking@city.example", "contact: 5", 3, "contact", "string"),
        ("priority: urgent", "priority: high", 6, "priority", "'urgent'"),
        ("priority: urgent", "intake: much", 6, "intake", "'bulk'"),
        ("serves: [city.parking.v1.ParkingService]", "intake: bulk", 19, "intake", "serves"),
        ("CameraService/FindNear", "CameraService", 20, "calls[0]", "match"),
        ("[VAULT__KEY]", "[vault__key]", 21, "secrets[0]", "match"),
        ("[VAULT__KEY]", "[VAULT__]", 21, "secrets[0]", "match"),
        ("[VAULT__KEY]", "[KEY, KEY]", 21, "secrets[1]", "twice"),
        ("[KEYRING]", "[keyring]", 22, "folders[0]", "match"),
        ("[KEYRING]", "[KEYRING, KEYRING]", 22, "folders[1]", "twice"),
        ("/lots.geojson", "/", 23, "exposes[0]", "match"),
        ("/lots.geojson", "lots", 23, "exposes[0]", "match"),
        ("/lots.geojson", "/lots/", 23, "exposes[0]", "match"),
        ("/lots.geojson", "/fhir", 23, "exposes[1]", "twice"),
        ("/lots.geojson", "/metrics", 23, "exposes[0]", "not for callers outside"),
        ("/lots.geojson", "/metrics/all", 23, "exposes[0]", "not for callers outside"),
        ("http_port: 51063\n", "", 22, "exposes", "http_port"),
        ("[rooms]", "[Rooms]", 24, "reaches[0]", "match"),
        ("[rooms]", "[rooms, rooms]", 24, "reaches[1]", "twice"),
        ("retention: 7d", "retention: 7d\n    compacted: 1", 15, "produces[0].compacted", "bool"),
        ("producer_byte_rate: 1048576", "producer_byte_rate: 0", 8, "quotas.producer", "greater"),
    ],
)
def test_names_file_line_and_field(
    tmp_path: Path, old: str, new: str, line: int, field: str, reason: str
) -> None:
    assert old in PARKING
    path = write(tmp_path, PARKING.replace(old, new, 1))
    with pytest.raises(RegistrationError) as raised:
        load(path)
    message = str(raised.value)
    assert message.startswith(f"{path}:{line}: {field}")
    assert reason in message


def test_a_topic_listed_twice_is_refused(tmp_path: Path) -> None:
    text = PARKING.replace("serves:", "  - topic: cameras.alarm-raised.v1\nserves:")
    with pytest.raises(RegistrationError, match=r":19: consumes\[1\].topic: .* listed twice"):
        load(write(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"service: [parking", "not YAML"),
        (b"parking", "expected a mapping"),
        (b"", "expected a mapping"),
        (b"service: \xff", "UTF-8"),
        (b"service: a\nservice: b\n", "not YAML"),
    ],
)
def test_refuses_what_is_no_mapping(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "service.yaml"
    path.write_bytes(content)
    with pytest.raises(RegistrationError, match=reason):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match=r"absent\.yaml: cannot be read"):
        load(tmp_path / "absent.yaml")


def test_services_and_ports_are_unique(tmp_path: Path) -> None:
    first = write(tmp_path, PARKING, "a.yaml")
    with pytest.raises(RegistrationError, match="parking is already registered"):
        load_all([first, write(tmp_path, PARKING, "b.yaml")])
    other = PARKING.replace("parking", "health").replace("51063", "51064")
    with pytest.raises(RegistrationError, match="50063 is already taken"):
        load_all([first, write(tmp_path, other, "b.yaml")])


def test_all_come_ordered_by_service(tmp_path: Path) -> None:
    other = "service: health\nowner: o\ncontact: c\n"
    paths = [write(tmp_path, PARKING, "a.yaml"), write(tmp_path, other, "b.yaml")]
    assert [found.service for found in load_all(paths)] == ["health", "parking"]
