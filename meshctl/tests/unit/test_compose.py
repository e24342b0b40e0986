"""compose.yaml against the registrations, the local stack and what `meshctl secrets` writes."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dotenv
import pytest
from city_backbone.errors import SettingsError as WrongSetting
from city_backbone.registration import Registration
from city_backbone.settings import ServiceSettings, load
from meshctl.composing.applying import apply_inside
from meshctl.composing.looking import look
from meshctl.composing.network import folder as inside_folder
from meshctl.composing.writing import CITY, write
from meshctl.demo import parking
from meshctl.demo.trial import Trial
from meshctl.errors import MeshctlError, SettingsError
from meshctl.jvm import Jvm
from meshctl.parts import postgres, rooms
from meshctl.parts.kafka import KafkaPart
from meshctl.settings import load as load_settings
from meshctl.state import State, read_json, write_json
from ruamel.yaml import YAML

from meshctl import catalogue, credentials

SETTINGS = load_settings()
ROOT = SETTINGS.root
KNOWN = catalogue.load(SETTINGS)
SERVICES = {found.service: found for found in KNOWN.services}
ONE_SHOT = {"provision", "apply"}
STATE = "./.citymesh/compose"
# What differs from the broker of `meshctl up`, and may.
OWN_OF_BROKER = {
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "controller.quorum.voters",
    "log.dirs",
    "listener.name.network.scram-sha-512.sasl.jaas.config",
    "listener.name.network.ssl.keystore.type",
    "listener.name.network.ssl.keystore.location",
}


def _text() -> str:
    """As Compose reads it: with the variables of .env put in."""
    variables = dotenv.dotenv_values(ROOT / ".env")

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1], match[2])
        assert found is not None, f"{match[1]}: not in .env"
        return found

    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, text)


COMPOSE: Mapping[str, Any] = YAML(typ="safe").load(_text())
CONTAINERS: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]


def _written(folder: Path, *, with_rooms: bool = False) -> State:
    state = State(folder / "compose")
    write(SETTINGS, state, lambda _: None, with_rooms=with_rooms)
    return state


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return _written(tmp_path_factory.mktemp("state"), with_rooms=True)


def _properties(text: str) -> dict[str, str]:
    """The last value of a name is the one that holds."""
    lines = (line.partition("=") for line in text.splitlines() if line and line[0] != "#")
    return {name: value for name, _, value in lines}


def _variables(state: State, name: str) -> dict[str, str]:
    values = dotenv.dotenv_values(state.environments / f"{name}.env", interpolate=False)
    return {key: value or "" for key, value in values.items()}


def _mounts(name: str) -> set[str]:
    return {str(mount) for mount in CONTAINERS[name].get("volumes", ())}


@pytest.mark.parametrize("registration", KNOWN.services, ids=lambda found: found.service)
def test_each_department_is_a_container_of_its_registration(registration: Registration) -> None:
    name = registration.service
    assert name in CONTAINERS, f"services/{name} is not in compose.yaml"
    found = CONTAINERS[name]
    project = tomllib.loads((registration.path.parent / "pyproject.toml").read_text())["project"]
    assert found["image"] == f"citymesh/{name}:{project['version']}"
    ports = {registration.port, registration.http_port} - {None}
    assert set(found["ports"]) == {f"127.0.0.1:{port}:{port}" for port in ports}
    assert found["env_file"] == [f"{STATE}/env/{name}.env"]
    assert found["depends_on"]["apply"]["condition"] == "service_completed_successfully"
    # Its streams know each other by the host's name as well: a new container is the same member.
    assert found["hostname"] == name
    # What yields the processor to others does so here too; 1024 is everybody's share.
    assert found.get("cpu_shares", 1024) == (102 if registration.priority == "bulk" else 1024)
    keeps = {
        f"{STATE}/folders/{name}/{setting.lower()}:{inside_folder(setting)}"
        for setting in registration.folders
    }
    assert _mounts(name) == {f"{STATE}/containers/{name}:/etc/citymesh:ro", *keeps}


def test_nobody_is_given_what_is_anothers() -> None:
    for name in CONTAINERS:
        given = {mount for mount in _mounts(name) if "/containers/" in mount}
        own = {CITY} if name == "city-model" else {"apply"} if name in ONE_SHOT else {name}
        assert given <= {f"{STATE}/containers/{each}:/etc/citymesh:ro" for each in own}, name
        files = {Path(file).stem for file in CONTAINERS[name].get("env_file", ())}
        assert files <= ({CITY} if name == "city-model" else {name}), name


def test_other_images_are_those_of_this_checkout() -> None:
    pom = (SETTINGS.local / "pom.xml").read_text()
    for name, image, part in (
        ("kafka", "apache/kafka", "kafka"),
        ("registry", "apicurio/apicurio-registry", "apicurio"),
    ):
        version = re.search(rf"<{part}.version>(.+)</{part}.version>", pom)
        assert version is not None
        assert CONTAINERS[name]["image"] == f"{image}:{version[1]}"
    for folder, names in (
        ("meshctl", ("provision", "apply")),
        ("loadtests", ("city-model", "room-112", "room-119", "room-disaster")),
    ):
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
        for name in names:
            assert CONTAINERS[name]["image"] == f"citymesh/{folder}:{project['version']}"


def test_every_container_is_held_tight() -> None:
    for name, found in CONTAINERS.items():
        assert found["read_only"] is True, name
        assert found["cap_drop"] == ["ALL"], name
        assert found["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"\d+m", found["mem_limit"]), name
        assert found["restart"] == ("no" if name in ONE_SHOT else "unless-stopped"), name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(found), name
        if name not in ONE_SHOT:
            assert "stop_grace_period" in found, name
        if name not in {*ONE_SHOT, "city-model"}:
            assert found["healthcheck"]["test"][0] == "CMD", name
        for port in found.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name}: {port} is open to the network"


def test_both_composes_read_it_the_same() -> None:
    assert "version" not in COMPOSE
    names = {name for found in CONTAINERS.values() for name in found.get("depends_on", {})}
    assert names <= set(CONTAINERS)
    for name, found in CONTAINERS.items():
        for other in found.get("depends_on", {}):
            assert "profiles" not in CONTAINERS[other] or "profiles" in found, (name, other)


def test_no_secret_is_in_what_is_committed(state: State) -> None:
    text = (ROOT / "compose.yaml").read_text() + (ROOT / ".env").read_text()
    known = credentials.stored(state)
    made = [*known.kafka.values(), *known.postgres.values(), known.cluster_id]
    made += [value for own in known.services.values() for value in own.values()]
    assert len(made) > 15
    assert not [value for value in made if value in text]
    for name, found in CONTAINERS.items():
        for variable in found.get("environment", {}):
            secret = re.search("PASSWORD|SECRET|KEY|TOKEN|CREDENTIAL", variable.upper())
            assert not secret or variable.endswith("_FILE"), f"{name}: {variable}"


@pytest.mark.parametrize("name", SERVICES)
def test_the_variables_are_those_that_the_settings_need(
    name: str, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"{name}.settings")
    (settings,) = {
        found
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, ServiceSettings)
        and found is not ServiceSettings
    }
    own = settings.model_config["env_prefix"]
    image = {f"{own}REGISTRATION_FILE": f"/srv/{name}/service.yaml"}
    assert " ".join(map("=".join, image.items())) in (
        SERVICES[name].path.parent / "Dockerfile"
    ).read_text().replace("\\\n", " ")
    given = _variables(state, name)

    def loaded(values: Mapping[str, str]) -> ServiceSettings | None:
        with monkeypatch.context() as patch:
            for variable in [one for one in os.environ if one.startswith(own)]:
                patch.delenv(variable)
            for variable, value in {**image, **values}.items():
                patch.setenv(variable, value)
            try:
                return load(settings)
            except WrongSetting:
                return None

    whole = loaded(given)
    assert whole is not None
    without_effect = {
        variable
        for variable in given
        if loaded({key: value for key, value in given.items() if key != variable}) == whole
    }
    defaults = {f"{own}KAFKA__SECURITY_PROTOCOL", f"{own}KAFKA__SASL_MECHANISM", f"{own}PEERS"}
    assert without_effect <= defaults
    assert whole.kafka.security_protocol == "SASL_SSL"
    assert whole.kafka.bootstrap_servers == "kafka:9094"
    assert set(whole.peers.values()) == {f"{p}:{SERVICES[p].port}" for p in whole.peers}
    assert whole.health.port == 8086


def test_what_was_made_is_kept(tmp_path: Path) -> None:
    state = _written(tmp_path, with_rooms=True)

    def everything() -> dict[str, bytes]:
        files = (path for path in state.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(state.folder)): path.read_bytes() for path in files}

    before = everything()
    _written(tmp_path)
    assert everything() == before
    state.secrets.write_text(json.dumps({**read_json(state.secrets), "postgres": {}}))
    _written(tmp_path)
    after = everything()
    changed = {name for name in before if before[name] != after[name]}
    assert "env/cameras.env" in changed
    assert "containers/kafka/server.properties" not in changed


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_only_the_owner_comes_in_and_every_user_of_an_image_can_read(
    umask: int, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        state = _written(tmp_path)
    finally:
        os.umask(before)

    def mode(path: Path) -> int:
        return path.stat().st_mode & 0o777

    assert mode(state.folder) == 0o700
    assert {mode(file) for file in state.environments.iterdir()} == {0o600}
    assert mode(state.secrets) == 0o600
    for path in state.containers.rglob("*"):
        assert mode(path) == (0o755 if path.is_dir() else 0o644), path
    for path in (state.folders / "health" / "people__keyring", state.folder / "rooms"):
        assert mode(path) == 0o777


def test_the_broker_is_the_local_one_but_for_where_it_listens(state: State) -> None:
    known = credentials.stored(state)
    ports = {"kafka": 1, "kafka.controller": 2}
    part = KafkaPart(SETTINGS, state, Jvm("java", "17", Path(), Path()), ports, known)
    local = _properties(part._configuration())
    composed = _properties((state.containers / "kafka" / "server.properties").read_text())
    names = set(local) | set(composed)
    assert {name for name in names if local.get(name) != composed.get(name)} == OWN_OF_BROKER
    assert "NETWORK:SASL_SSL" in composed["listener.security.protocol.map"].split(",")
    published = CONTAINERS["kafka"]["ports"][0].rpartition(":")[2]
    assert f"CLIENTS://127.0.0.1:{published}" in composed["advertised.listeners"].split(",")


def test_the_database_is_the_local_one() -> None:
    program, *options = CONTAINERS["postgres"]["command"]
    assert program == "postgres"
    given = dict(option.removeprefix("--").split("=") for option in options)
    assert given == postgres.OPTIONS


def test_the_registry_trusts_the_broker_by_the_citys_authority(state: State) -> None:
    given = _properties((state.containers / "registry" / "application.properties").read_text())
    assert given["apicurio.kafka.common.security.protocol"] == "SASL_SSL"
    assert given["apicurio.kafka.common.ssl.truststore.location"] == "/etc/citymesh/tls/ca.crt"
    assert (state.containers / "registry" / "tls" / "ca.crt").is_file()
    assert given["quarkus.http.host"] == "0.0.0.0"


def test_commands_on_the_host_find_what_is_published(state: State) -> None:
    ports = read_json(state.ports)
    published = {
        port.removeprefix("127.0.0.1:").partition(":")[0]
        for name, found in CONTAINERS.items()
        for port in found.get("ports", ())
        if name != "prometheus"
    }
    assert {str(port) for port in ports.values()} == published


def test_the_city_is_told_of_rooms_that_are_there(state: State, tmp_path: Path) -> None:
    told = _variables(state, "emergency")
    for room in json.loads(told["EMERGENCY_ROOMS"]):
        name, _, port = room["url"].removeprefix("http://").partition(":")
        assert CONTAINERS[name]["profiles"] == ["city"]
        own = _variables(state, name)
        assert (own["ROOM_PORT"], own["ROOM_API_KEY"]) == (port, room["api_key"])
    assert set(rooms.default_ports()) <= set(read_json(state.ports))
    assert "EMERGENCY_ROOMS" not in _variables(_written(tmp_path), "emergency")


def test_the_one_shot_container_knows_logins_and_no_departments_keys(state: State) -> None:
    given = (state.containers / "apply" / "secrets.json").read_text()
    known = credentials.stored(state)
    assert json.loads(given)["kafka"] == known.kafka
    assert not [v for own in known.services.values() for v in own.values() if v in given]


async def test_a_newcomer_without_a_password_is_named(tmp_path: Path) -> None:
    state = _written(tmp_path)
    file = state.containers / "apply" / "secrets.json"
    given = json.loads(file.read_text())
    del given["kafka"]["parking"]
    file.write_text(json.dumps(given))
    inside = State(file.parent)
    with pytest.raises(SettingsError, match="parking: run `meshctl secrets` again"):
        await apply_inside(SETTINGS, inside, lambda _: None, with_schemas=True)


def test_a_value_that_an_env_file_cannot_tell_is_refused(tmp_path: Path) -> None:
    state = _written(tmp_path)
    write_json(state.environments / "parking.json", {"PARKING_X": "it's"}, 0o600)
    with pytest.raises(MeshctlError, match="PARKING_X"):
        _written(tmp_path)


def test_a_local_stacks_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "compose" / "kafka").mkdir(parents=True)
    with pytest.raises(MeshctlError, match="meshctl up"):
        _written(tmp_path)


async def test_what_does_not_run_is_told_of_but_rooms(tmp_path: Path) -> None:
    state = _written(tmp_path)
    silent = dict(zip(read_json(state.ports), (1, *range(2, 99)), strict=False))
    now = await look(state, silent, credentials.stored(state), [])
    assert set(now["parts"]) == {"kafka", "postgres", "registry", *SERVICES}
    assert not now["running"]
    assert not now["ready"]
    assert {part["status"] for part in now["parts"].values()} == {"stopped"}


def test_a_demo_wants_what_the_stack_was_given(tmp_path: Path) -> None:
    state = _written(tmp_path)
    running = Trial(state.folder, ("parking",), existing=True)
    assert running.address("health.http") == "health:51064"
    with pytest.raises(MeshctlError, match="PARKING_BOOKINGS__HOLD_SECONDS"):
        running.give("parking", parking.settings()["parking"])
    write(SETTINGS, state, lambda _: None, further=parking.settings())
    running.give("parking", parking.settings()["parking"])
    assert _variables(state, "parking")["PARKING_BOOKINGS__HOLD_SECONDS"] == "7"


@pytest.mark.parametrize("command", [["docker-compose"], ["docker", "compose"]], ids=["v1", "v2"])
def test_compose_itself_takes_it(command: list[str], state: State) -> None:
    if shutil.which(command[0]) is None or _run(*command, "version").returncode:
        pytest.skip(f"{' '.join(command)} is not on this machine")
    done = _run(*command, "config", "--quiet", CITYMESH_COMPOSE=str(state.folder))
    assert done.returncode == 0, done.stderr


def _run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
