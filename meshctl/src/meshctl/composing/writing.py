"""`meshctl secrets`: what containers are given, each in a folder that is mounted into it alone.

The state folder is its owner's alone, so nobody else on the host comes through to what is in it.
Within, the containers' folders may be read by anyone: whichever user an image runs as, it finds
them mounted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from city_backbone.registration import Registration

from meshctl import applying, catalogue, environment, ports
from meshctl.catalogue import Catalogue
from meshctl.composing.network import CONFIGURATION, DATA, KAFKA_PORT, TLS, Inside
from meshctl.credentials import POSTGRES, Credentials, of_everyone
from meshctl.errors import MeshctlError
from meshctl.parts import kafka, registry, rooms
from meshctl.parts.city import RATES
from meshctl.pki import Authority
from meshctl.ports import HOST, Ports
from meshctl.settings import Settings
from meshctl.state import State, read_json, write_json, write_text

Say = Callable[[str], None]

KAFKA = "kafka"
CITY = "loadtests"
"""The one client that is a container: the modelled city."""

_READABLE, _PASSABLE, _WRITABLE = 0o644, 0o755, 0o777
_CONTROLLER = f"{HOST}:9093"
# Literal in either Compose's reading of an env_file, if there is none of these in it.
_UNQUOTABLE = frozenset("'\\$\n")


def write(
    settings: Settings,
    state: State,
    say: Say,
    *,
    with_rooms: bool = False,
    further: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> None:
    """Make what is missing, keep what was made. With rooms, `emergency` is told of them.

    `further` settings, by department, are kept too: in ``env/<department>.json``.
    Raises MeshctlError when a stack of `meshctl up` has this folder.
    """
    if state.read_run() is not None or state.kafka.exists():
        raise MeshctlError(f"{state.folder}: `meshctl up` has its stack here, choose another")
    state.make()
    state.folder.chmod(0o700)
    settings = settings.model_copy(update={"ports": {}})  # compose.yaml has the registered ones
    known = catalogue.load(settings)
    chosen = ports.wanted(settings, known, rooms.default_ports())
    del chosen["kafka.controller"]
    credentials = of_everyone(state, known)
    applying.files(known, state)
    _broker(settings, state, credentials, chosen)
    _registry(settings, state, credentials)
    _put(state, "postgres", "password", credentials.postgres[POSTGRES])
    _apply(state, credentials)
    _rooms(state, chosen, with_rooms)
    for department, values in further.items():
        own = state.environments / f"{department}.json"
        write_json(own, {**read_json(own), **values}, 0o600)
    for registration in (*known.services, known.find(CITY)):
        _principal(state, registration, known, credentials)
    write_json(state.ports, chosen)
    say(f"{state.folder}: what {len(known.services)} services and their parts are given")


def _principal(
    state: State, registration: Registration, known: Catalogue, credentials: Credentials
) -> None:
    name = registration.service
    values = environment.of(registration, known, Inside(known), credentials)
    if name == CITY:
        values |= RATES
    _variables(state, name, values)
    _identity(state, name)
    if not registration.is_client:
        policy = (state.policies / f"{name}.json").read_text(encoding="utf-8")
        _put(state, name, "policy/policy.json", policy)
    for setting in registration.folders:
        for folder in (state.folders, state.folders / name):
            folder.chmod(_PASSABLE)
        state.folder_of(name, setting).chmod(_WRITABLE)


def _broker(settings: Settings, state: State, credentials: Credentials, chosen: Ports) -> None:
    """To the host it speaks in the clear, on the loopback; to containers in TLS."""
    port = chosen["kafka"]
    certificate, key = Authority(state.ca).ensure(KAFKA)
    prefix = "listener.name.network"
    own = {
        "listeners": f"CLIENTS://0.0.0.0:{port},CONTROLLER://{_CONTROLLER}"
        f",NETWORK://0.0.0.0:{KAFKA_PORT}",
        "advertised.listeners": f"CLIENTS://{HOST}:{port},NETWORK://{Inside.kafka}",
        "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT"
        ",NETWORK:SASL_SSL",
        "controller.quorum.voters": f"1@{_CONTROLLER}",
        "log.dirs": "/var/lib/kafka/data",
        f"{prefix}.scram-sha-512.sasl.jaas.config": f"{kafka.SCRAM} required;",
        f"{prefix}.ssl.keystore.type": "PEM",
        f"{prefix}.ssl.keystore.location": str(CONFIGURATION / "keystore.pem"),
    }
    properties = kafka.configuration(settings.local, credentials, own)
    _put(state, KAFKA, "server.properties", properties)
    arguments = kafka.formatting(str(CONFIGURATION / "server.properties"), credentials)
    _put(state, KAFKA, "format.args", arguments)
    _put(state, KAFKA, "keystore.pem", key.read_text() + certificate.read_text())


def _registry(settings: Settings, state: State, credentials: Credentials) -> None:
    own = {
        "quarkus.http.host": "0.0.0.0",
        "quarkus.http.port": Inside.registry.partition(":")[2],
        # A snapshot would be gone with the container: the journal is kept whole.
        "apicurio.kafkasql.snapshot.every.seconds": "off",
        "apicurio.storage.snapshot.location": "/tmp",
        "apicurio.kafkasql.bootstrap.servers": Inside.kafka,
        "apicurio.kafka.common.security.protocol": "SASL_SSL",
        "apicurio.kafka.common.ssl.truststore.type": "PEM",
        "apicurio.kafka.common.ssl.truststore.location": str(TLS / "ca.crt"),
    }
    properties = registry.configuration(settings.local, credentials, own)
    _put(state, "registry", "application.properties", properties)
    _authority(state, "registry")


def _apply(state: State, credentials: Credentials) -> None:
    """The one-shot container's: passwords of broker and database, no department's keys."""
    given = {
        "kafka": credentials.kafka,
        "postgres": credentials.postgres,
        "cluster_id": credentials.cluster_id,
    }
    _put(state, "apply", "secrets.json", json.dumps(given, indent=2) + "\n")
    _authority(state, "apply")


def _rooms(state: State, chosen: Ports, with_rooms: bool) -> None:
    """Their settings; their records are a folder of the host's too, for those who compare."""
    keys: dict[str, str] = {}
    for room in rooms.ROOMS:
        own = state.environments / f"room-{room.name}.json"
        keys[room.name] = read_json(own).get("ROOM_API_KEY") or rooms.new_key()
        write_json(own, {"ROOM_API_KEY": keys[room.name]}, 0o600)
        port = chosen[rooms.listener(room.name)]
        _variables(
            state,
            f"room-{room.name}",
            {
                "ROOM_KIND": room.name,
                "ROOM_HOST": "0.0.0.0",
                "ROOM_PORT": str(port),
                "ROOM_RECORD": str(DATA / "rooms" / f"{room.name}.jsonl"),
            },
        )
    records = rooms.record(state, "any").parent
    records.mkdir(exist_ok=True)
    records.chmod(_WRITABLE)
    if with_rooms:
        rooms.introduce(
            state,
            keys,
            lambda room: f"http://room-{room.name}:{chosen[rooms.listener(room.name)]}",
        )


def _variables(state: State, name: str, values: Mapping[str, str]) -> None:
    """The container's environment; its further settings, ``env/<name>.json``, come last."""
    further = read_json(state.environments / f"{name}.json")
    lines = []
    for key, value in {**values, **further}.items():
        if _UNQUOTABLE & set(str(value)):
            raise MeshctlError(f"{key}: a value with ', $, \\ or a line's end cannot be told")
        lines.append(f"{key}='{value}'\n")
    write_text(state.environments / f"{name}.env", "".join(lines), 0o600)


def _identity(state: State, name: str) -> None:
    certificate, key = Authority(state.ca).files(name)
    _put(state, name, "tls/tls.crt", certificate.read_text())
    _put(state, name, "tls/tls.key", key.read_text())
    _authority(state, name)


def _authority(state: State, name: str) -> None:
    _put(state, name, "tls/ca.crt", (state.ca / "ca.pem").read_text())


def _put(state: State, container: str, file: str, content: str) -> None:
    """Written only when it differs: a service takes a certificate anew that changes."""
    path = state.containers / container / file
    if not path.is_file() or path.read_text(encoding="utf-8") != content:
        write_text(path, content, _READABLE)
    for folder in (path.parent, state.containers / container, state.containers):
        folder.chmod(_PASSABLE)
