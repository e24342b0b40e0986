"""The state folder, ports and settings."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from city_backbone.registration import Registration
from meshctl.catalogue import Catalogue
from meshctl.errors import AlreadyRunningError, PortTakenError, SettingsError
from meshctl.parts.service import default_ports
from meshctl.settings import Settings
from meshctl.state import ProcessId, State, read_json, write_json

from meshctl import ports, settings, stack

SENSORS = Registration.model_validate(
    {"service": "sensors", "owner": "o", "contact": "c", "port": 50062, "http_port": 51062}
)


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    assert not state.is_locked()
    with state.locked():
        assert State(tmp_path / "state").is_locked()
        with pytest.raises(AlreadyRunningError, match="already runs"), state.locked():
            pass
    assert not state.is_locked()


def test_a_process_is_known_by_more_than_its_pid() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        found = ProcessId.of(process.pid)
        assert found is not None
        assert found.find() is not None
        assert found.model_copy(update={"created": found.created - 60}).find() is None
        assert found.model_copy(update={"program": "postgres"}).find() is None
    finally:
        process.kill()
        process.wait()
    assert found.find() is None


def test_ports_come_from_settings_and_registrations() -> None:
    wanted = ports.wanted(Settings(ports={"sensors.grpc": 6000}, kafka_port=7000), [SENSORS], {})
    assert wanted["kafka"] == 7000
    assert (wanted["sensors.grpc"], wanted["sensors.http"]) == (6000, 51062)


def test_a_stream_that_is_a_process_of_its_own_has_a_port_above_the_departments() -> None:
    apart = SENSORS.model_copy(update={"intake": "bulk"})
    wanted = ports.wanted(Settings(), [apart], default_ports([apart]))
    assert wanted["sensors-stream.http"] == wanted["sensors.http"] + 1000
    assert "sensors-stream.http" not in ports.wanted(
        Settings(), [SENSORS], default_ports([SENSORS])
    )
    beyond = apart.model_copy(update={"http_port": 65000})
    with pytest.raises(SettingsError, match=r"^sensors-stream\.http: port 66000 is none.*PORTS"):
        ports.wanted(Settings(), [beyond], default_ports([beyond]))


def test_a_stack_that_runs_keeps_its_ports_and_those_of_its_rooms_can_be_set(
    tmp_path: Path,
) -> None:
    state, known = State(tmp_path), Catalogue((SENSORS,), ())
    own = Settings(ports={"room.112": 28112})
    write_json(state.ports, {"kafka": 20001, "room.112": 28112})
    kept = stack.keep_ports(own, state, known)
    assert kept["sensors.grpc"] == 50062, "registered since"
    assert (kept["kafka"], kept["room.112"]) == (20001, 28112)
    assert "room.119" not in kept
    assert read_json(state.ports) == kept
    state.ports.unlink()
    with pytest.raises(SettingsError, match=r"nobody is called 'room\.112'"):
        stack.keep_ports(own, state, known)


def test_a_port_setting_for_nobody_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"nobody is called 'sensor\.grpc'"):
        ports.wanted(Settings(ports={"sensor.grpc": 6000}), [SENSORS], {})


def test_two_with_one_port_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"both kafka and sensors\.grpc"):
        ports.wanted(Settings(kafka_port=50062), [SENSORS], {})


def test_a_taken_port_is_named_with_its_setting_and_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTakenError) as raised:
            ports.require_free({"kafka": port})
    message = str(raised.value)
    assert f"port {port} of kafka is taken by process {os.getpid()}" in message
    assert "CITYMESH_KAFKA_PORT" in message
    assert "\n" not in message


def test_free_ports_are_kept_while_they_are_free() -> None:
    chosen = ports.free(["kafka", "registry"], {})
    assert len(set(chosen.values())) == 2
    assert ports.free(["kafka", "registry", "postgres"], chosen).items() >= chosen.items()
    with socket.create_server(("127.0.0.1", chosen["kafka"])):
        again = ports.free(["kafka", "registry"], chosen)
    assert again["kafka"] != chosen["kafka"]
    assert again["registry"] == chosen["registry"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that end with a process")
def test_a_free_port_is_nobody_elses_before_anything_listens_there() -> None:
    (port,) = ports.free(["kafka"], {}).values()
    other = (
        "from meshctl import ports\n"
        f"ports._FREE = range({port}, {port + 1})\n"
        "print(ports.is_free(ports._FREE.start))\n"
        "ports.free(['kafka'], {})"
    )
    command = [sys.executable, "-c", other]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert found.stdout == "True\n"
    assert "no free port between" in found.stderr


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYMESH_KAFKA_PORT", "ninety")
    with pytest.raises(SettingsError, match=r"CITYMESH_KAFKA_PORT: .*'ninety'"):
        settings.load()


def test_a_folder_that_is_no_checkout_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CITYMESH_ROOT", str(tmp_path))
    with pytest.raises(SettingsError, match="not a citymesh checkout"):
        settings.load()


def test_the_state_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CITYMESH_STATE", str(tmp_path / "a"))
    assert settings.load().state == tmp_path / "a"
    assert settings.load(tmp_path / "b").state == tmp_path / "b"
