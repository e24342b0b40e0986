"""The processes of a service on one machine: their roles, names, ports and share of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from city_backbone.registration import load
from meshctl.parts.service import ServicePart, default_ports, roles
from meshctl.settings import Settings
from meshctl.state import State

from meshctl import ports

DEPARTMENT = """\
service: gates
owner: o
contact: c
port: 50070
http_port: 51070
serves: [city.gates.v1.GateService]
"""


def parts(folder: Path, further: str = "") -> list[ServicePart]:
    (folder / "service.yaml").write_text(DEPARTMENT + further, encoding="utf-8")
    registration = load(folder / "service.yaml")
    listeners = ports.wanted(Settings(), [registration], default_ports([registration]))
    given = {"GATES_INSTANCE": "gates-0", "GATES_HTTP__PORT": "51070"}
    return [
        ServicePart(registration, role, State(folder), folder, listeners, lambda: given)
        for role in roles(registration)
    ]


def test_a_service_is_one_process(tmp_path: Path) -> None:
    (part,) = parts(tmp_path)
    command = part.command()
    assert (part.name, part.port, command.nice) == ("gates", 50070, 0)
    assert command.arguments[1:] == ("-m", "gates")
    assert command.environment["GATES_INSTANCE"] == "gates-0"
    assert "GATES_ROLE" not in command.environment


@pytest.mark.parametrize(("priority", "nice"), [("urgent", 0), ("normal", 0), ("bulk", 10)])
def test_what_is_bulk_yields(tmp_path: Path, priority: str, nice: int) -> None:
    (part,) = parts(tmp_path, f"priority: {priority}\n")
    assert part.command().nice == nice


def test_where_bulk_comes_by_calls_they_yield_to_the_stream(tmp_path: Path) -> None:
    calls, stream = parts(tmp_path, "intake: bulk\n")
    assert [(part.name, part.port) for part in (calls, stream)] == [
        ("gates", 50070),
        ("gates-stream", 52070),
    ]
    by_role = {part.command().environment["GATES_ROLE"]: part.command() for part in (calls, stream)}
    assert {role: one.nice for role, one in by_role.items()} == {"rpc": 2, "stream": 0}
    assert {one.arguments[1:] for one in by_role.values()} == {("-m", "gates")}
    own = {
        role: (one.environment["GATES_INSTANCE"], one.environment["GATES_HTTP__PORT"])
        for role, one in by_role.items()
    }
    assert own == {"rpc": ("gates-rpc-0", "51070"), "stream": ("gates-0", "52070")}


def test_both_processes_of_a_bulk_department_yield(tmp_path: Path) -> None:
    both = parts(tmp_path, "intake: bulk\npriority: bulk\n")
    assert [part.command().nice for part in both] == [10, 10]
