"""`meshctl check` names every disagreement."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from city_backbone.registration import load_all
from meshctl.catalogue import Catalogue

from meshctl import check

PARKING = """\
service: parking
owner: o
contact: c
http_port: 51063
produces:
  - topic: parking.bay-reserved.v1
    schema: bay_reserved.v1.avsc
    key: bay_id
    partitions: 3
    retention: 7d
    class: internal
"""
HEALTH = """\
service: health
owner: o
contact: c
http_port: 51064
consumes:
  - topic: parking.bay-reserved.v1
    schema: consumed/bay_reserved.v1.avsc
"""
CLIENT = "service: reader\nowner: o\ncontact: c\nconsumes: [{topic: parking.bay-reserved.v1}]\n"
WRITER: dict[str, Any] = {
    "type": "record",
    "name": "BayReserved",
    "doc": "A bay was reserved.",
    "fields": [
        {"name": "bay_id", "type": "string", "doc": "Which bay."},
        {"name": "minutes", "type": "int", "doc": "For how long, in minutes."},
        {
            "name": "at",
            "type": {"type": "long", "logicalType": "timestamp-micros"},
            "doc": "When. Microseconds since 1970 UTC.",
        },
    ],
}
READER: dict[str, Any] = {**WRITER, "fields": WRITER["fields"][:1]}
EXAMPLE = {"bay_id": "A-1", "minutes": 30, "at": 1700000000000000}

Files = dict[str, Any]
Mesh = Callable[[Files], Catalogue]


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    """A checkout's registrations, with these files instead of the right ones (None: without)."""

    def make(changed: Files) -> Catalogue:
        files: Files = {
            "services/parking/service.yaml": PARKING,
            "services/parking/events/bay_reserved.v1.avsc": WRITER,
            "services/parking/events/examples/bay_reserved.v1.json": EXAMPLE,
            "services/health/service.yaml": HEALTH,
            "services/health/events/consumed/bay_reserved.v1.avsc": READER,
            "clients/reader.yaml": CLIENT,
            **changed,
        }
        for name, content in files.items():
            if content is not None:
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content if isinstance(content, str) else json.dumps(content))
        return Catalogue(
            services=load_all(sorted((tmp_path / "services").glob("*/service.yaml"))),
            clients=load_all(sorted((tmp_path / "clients").glob("*.yaml"))),
        )

    return make


def test_nothing_is_wrong(mesh: Mesh) -> None:
    assert check.problems(mesh({})) == []


def undocumented() -> dict[str, Any]:
    return {**WRITER, "fields": [{"name": "bay_id", "type": "string"}, *WRITER["fields"][1:]]}


EVENTS = "services/parking/events"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({f"{EVENTS}/bay_reserved.v1.avsc": undocumented()}, "bay_id: expected a doc"),
        ({f"{EVENTS}/bay_reserved.v1.avsc": {"type": "what"}}, "not an Avro schema"),
        ({f"{EVENTS}/bay_reserved.v1.avsc": "{"}, "bay_reserved.v1.avsc: not JSON"),
        ({f"{EVENTS}/bay_reserved.v1.avsc": None}, "bay_reserved.v1.avsc: cannot be read"),
        ({f"{EVENTS}/other.avsc": WRITER}, "other.avsc: no produces or consumes"),
        ({f"{EVENTS}/examples/bay_reserved.v1.json": None}, "expected a golden example"),
        ({f"{EVENTS}/examples/bay_reserved.v1.json": {**EXAMPLE, "x": 1}}, "x: the schema has no"),
        ({f"{EVENTS}/examples/bay_reserved.v1.json": {"bay_id": "A-1"}}, "does not fit"),
        (
            {f"{EVENTS}/examples/bay_reserved.v1.json": {**EXAMPLE, "minutes": "many"}},
            "bay_reserved.v1.json:",
        ),
        (
            {
                "services/health/events/consumed/bay_reserved.v1.avsc": {
                    **READER,
                    "fields": [{"name": "floor", "type": "int", "doc": "Which floor."}],
                }
            },
            "cannot read parking.bay-reserved.v1: floor: it is read without a default",
        ),
        (
            {"services/health/service.yaml": HEALTH.replace("bay-reserved.v1", "bay-sold.v1")},
            "nobody produces parking.bay-sold.v1",
        ),
        (
            {"services/health/service.yaml": HEALTH.replace("http_port: 51064\n", "")},
            "http_port: expected one",
        ),
        (
            {"services/health/service.yaml": HEALTH.replace("service: health", "service: clinic")},
            "service: expected health",
        ),
        (
            {"clients/reader.yaml": CLIENT.replace("bay-reserved.v1", "bay-reserved.v1.x.dlt")},
            "nobody's dead-letter topic",
        ),
        (
            {"services/parking/service.yaml": PARKING.replace("internal", "personal")},
            "personal and not for clients",
        ),
        (
            {"clients/reader.yaml": CLIENT + "calls: [city.none.v1.NoneService/*]\n"},
            "nobody serves city.none.v1.NoneService",
        ),
        (
            {"clients/reader.yaml": CLIENT + "http_port: 5000\n"},
            "expected a client",
        ),
    ],
)
def test_names_what_is_wrong(mesh: Mesh, changed: Files, expected: str) -> None:
    found = check.problems(mesh(changed))
    assert any(expected in problem for problem in found), found


def test_a_department_that_is_not_here_may_be_consumed(mesh: Mesh) -> None:
    text = HEALTH + "  - topic: cameras.alarm-raised.v1\n"
    assert check.problems(mesh({"services/health/service.yaml": text})) == []


def test_calls_are_looked_up_in_the_contracts(mesh: Mesh) -> None:
    serving = (
        PARKING + "port: 50063\nserves: [city.sensors.v1.SensorsService, city.sensors.v1.No]\n"
    )
    calling = (
        CLIENT
        + "calls: [city.sensors.v1.SensorsService/GetMap, city.sensors.v1.SensorsService/No]\n"
    )
    found = check.problems(
        mesh({"services/parking/service.yaml": serving, "clients/reader.yaml": calling})
    )
    assert [problem.partition(": ")[2] for problem in found] == [
        "serves: the contracts have no service city.sensors.v1.No",
        "calls: city.sensors.v1.SensorsService has no method No",
    ]
