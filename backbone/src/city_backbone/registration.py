"""The one registration of a department: the typed model of ``service.yaml``.

Topics, users, access rules, identities and rendered manifests are all computed from it, so a
mistake is refused here with the file, the line and the field:
``services/parking/service.yaml:12: produces[0].partitions: expected ...``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from city_backbone.errors import BackboneError

DEAD_LETTER_RETENTION = timedelta(days=14)

_SERVICE = r"[a-z][a-z0-9]*"
_TOPIC = re.compile(
    rf"(?P<department>{_SERVICE})\.(?P<subject>[a-z][a-z0-9-]*)\.v(?P<major>[1-9]\d*)"
)
_RPC_SERVICE = r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*\.[A-Z]\w*"
_RETENTION = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class RegistrationError(BackboneError):
    """A registration is wrong; the message names the file, the line and the field."""


def _topic(value: str) -> str:
    if not _TOPIC.fullmatch(value):
        raise ValueError("expected <department>.<subject>.v<major>, of dots and hyphens only")
    return value


def _topic_or_dead_letter(value: str) -> str:
    if value.endswith(".dlt"):
        _topic(value.removesuffix(".dlt").rpartition(".")[0])
        return value
    return _topic(value)


def _retention(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = _RETENTION.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError('expected a length of time such as "7d", "12h" or "30m"')
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


ServiceName = Annotated[str, StringConstraints(pattern=rf"^{_SERVICE}$", max_length=40)]
Topic = Annotated[str, AfterValidator(_topic)]
ReadableTopic = Annotated[str, AfterValidator(_topic_or_dead_letter)]
Retention = Annotated[timedelta, BeforeValidator(_retention)]
Port = Annotated[int, Field(ge=1024, le=65535)]
RpcService = Annotated[str, StringConstraints(pattern=rf"^{_RPC_SERVICE}$")]
RpcCall = Annotated[str, StringConstraints(pattern=rf"^{_RPC_SERVICE}/(?:\*|[A-Z]\w*)$")]
SchemaFile = Annotated[str, StringConstraints(pattern=r"^[a-z][\w.-]*\.avsc$")]
ReaderSchemaFile = Annotated[
    str, StringConstraints(pattern=r"^(?:[a-z][\w.-]*/)?[a-z][\w.-]*\.avsc$")
]
Setting = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]*(?:__?[A-Z0-9]+)*$")]
HttpPath = Annotated[str, StringConstraints(pattern=r"^(?:/[\w.~-]+)+$", max_length=200)]
Place = Annotated[str, StringConstraints(pattern=r"^[a-z](?:[a-z0-9-]*[a-z0-9])?$", max_length=40)]
NonEmpty = Annotated[str, StringConstraints(min_length=1)]

OPERATIONAL_PATHS = ("/healthz", "/readyz", "/metrics")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Quotas(_Model):
    """Broker quotas of a department: bytes/s each way, and % of one broker's request threads."""

    producer_byte_rate: Annotated[int, Field(gt=0)] | None = None
    consumer_byte_rate: Annotated[int, Field(gt=0)] | None = None
    request_percentage: Annotated[float, Field(gt=0)] | None = None


class Produces(_Model):
    """A topic the department owns: only it may write there."""

    topic: Topic
    schema_file: Annotated[SchemaFile, Field(alias="schema")]
    key: NonEmpty
    partitions: Annotated[int, Field(ge=1, le=256)]
    retention: Retention
    visibility: Annotated[Literal["public", "internal", "personal"], Field(alias="class")]
    compacted: bool = False
    """Within the retention only the newest record of a key is kept; one without a value, a
    tombstone, deletes those before it."""

    @property
    def subject(self) -> str:
        """The registry's subject of the topic's values."""
        return f"{self.topic}-value"


class Consumes(_Model):
    """A topic the department reads, with the reader schema that names the fields it uses."""

    topic: ReadableTopic
    schema_file: Annotated[ReaderSchemaFile | None, Field(alias="schema")] = None


class Registration(_Model):
    """One ``service.yaml``. Build it with :func:`load` so that errors name the line."""

    service: ServiceName
    owner: NonEmpty
    contact: NonEmpty
    port: Port | None = None
    http_port: Port | None = None
    priority: Literal["urgent", "normal", "bulk"] = "normal"
    """urgent: the way to 112 and 119; bulk: yields the processor to all others."""
    intake: Literal["bulk"] | None = None
    """bulk: so much comes by its calls that they yield the processor to what it makes of them: on
    one machine too, calls and stream are processes of their own."""
    quotas: Quotas | None = None
    produces: tuple[Produces, ...] = ()
    consumes: tuple[Consumes, ...] = ()
    serves: tuple[RpcService, ...] = ()
    calls: tuple[RpcCall, ...] = ()
    secrets: tuple[Setting, ...] = ()
    """Settings that hold 32 random bytes in base64, made once by meshctl up, a Secret in
    Kubernetes."""
    folders: tuple[Setting, ...] = ()
    """Settings that name a folder the service keeps files in: of the state folder under meshctl up,
    a volume in Kubernetes."""
    exposes: tuple[HttpPath, ...] = ()
    """Beginnings of HTTP paths that callers outside the mesh may use."""
    reaches: tuple[Place, ...] = ()
    """Names of places outside the mesh that the service connects to; where they are, the one who
    deploys it says."""

    _path: Path | None = PrivateAttr(default=None)

    @property
    def path(self) -> Path:
        """The file the registration was read from."""
        if self._path is None:
            raise RegistrationError(f"{self.service}: this registration was not read from a file")
        return self._path

    @property
    def events(self) -> Path:
        """The folder of the department's Avro schemas."""
        return self.path.parent / "events"

    @property
    def group(self) -> str:
        """The consumer group of the service."""
        return self.service

    @property
    def is_client(self) -> bool:
        """Whether this is a mere client: it owns no fact, serves nothing and listens nowhere."""
        return not (self.produces or self.serves or self.port or self.http_port)

    def dead_letter_topics(self) -> dict[str, str]:
        """Each consumed topic with the dead-letter topic of this service for it.

        A client has none, and a dead-letter topic has none of its own.
        """
        if self.is_client:
            return {}
        return {
            consumed.topic: dead_letter_topic(consumed.topic, self.group)
            for consumed in self.consumes
            if not consumed.topic.endswith(".dlt")
        }


def dead_letter_topic(topic: str, group: str) -> str:
    """The name of the topic for what ``group`` could not handle of ``topic``."""
    return f"{topic}.{group}.dlt"


def topic_department(topic: str) -> str:
    """The department that owns ``topic``, by its name."""
    return topic.partition(".")[0]


def load(path: Path) -> Registration:
    """Read one ``service.yaml``.

    Raises RegistrationError naming file, line, field and expectation.
    """
    try:
        document = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegistrationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RegistrationError(f"{path}: expected UTF-8 text") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RegistrationError(f"{path}:{line}: not YAML: {error.problem}") from error
    except YAMLError as error:
        raise RegistrationError(f"{path}:1: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise RegistrationError(f"{path}:1: expected a mapping with service, owner, contact, ...")
    try:
        registration = Registration.model_validate(_plain(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _located(path, document, first["loc"], _reason(first["type"], first["msg"])) from None
    registration._path = path
    _check_own(registration, document)
    return registration


def load_all(paths: Iterable[Path]) -> tuple[Registration, ...]:
    """Read registrations and check them against each other, ordered by service.

    Raises RegistrationError, also for two registrations of one service or one port.
    """
    registrations = sorted((load(path) for path in paths), key=lambda found: found.service)
    services: dict[str, Registration] = {}
    ports: dict[int, Registration] = {}
    for found in registrations:
        if found.service in services:
            raise RegistrationError(
                f"{found.path}: service: {found.service} is already registered"
                f" in {services[found.service].path}"
            )
        services[found.service] = found
        for port in (found.port, found.http_port):
            if port is None:
                continue
            if port in ports:
                raise RegistrationError(
                    f"{found.path}: port: {port} is already taken by {ports[port].path}"
                )
            ports[port] = found
    return tuple(registrations)


def _plain(node: Any) -> Any:
    """The document without ruamel's own types, lists as tuples as the frozen model has them."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return tuple(_plain(value) for value in node)
    if isinstance(node, str):
        return str(node)
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        return float(node)
    return node


def _reason(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown field"
    if kind == "missing":
        return "expected this field, it is missing"
    text = message.removeprefix("Value error, ").removeprefix("Input should be ")
    text = text.removeprefix("String should ").removeprefix("Input should ")
    return text if text.startswith("expected") else f"expected {text}"


def _located(
    path: Path, document: Any, location: Sequence[int | str], reason: str
) -> RegistrationError:
    """An error at ``location``, on the line of the deepest part of it that the file has."""
    node, line = document, 1
    field = ""
    for step in location:
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else str(step)
        if isinstance(node, Mapping | Sequence) and not isinstance(node, str):
            line = _line(node, step, line)
            try:
                node = node[step]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                node = None
    return RegistrationError(f"{path}:{line}: {field}: {reason}")


def _line(node: Any, step: int | str, fallback: int) -> int:
    marks = getattr(node, "lc", None)
    if marks is None:
        return fallback
    try:
        position = marks.item(step) if isinstance(step, int) else marks.key(step)
    except (KeyError, IndexError, TypeError):
        return int(marks.line) + 1
    return int(position[0]) + 1


def _check_own(registration: Registration, document: Any) -> None:
    """What the field types alone do not say."""

    def refuse(location: Sequence[int | str], reason: str) -> RegistrationError:
        return _located(registration.path, document, location, reason)

    seen: set[str] = set()
    for index, produced in enumerate(registration.produces):
        where = ("produces", index, "topic")
        if topic_department(produced.topic) != registration.service:
            raise refuse(
                where, f"expected a topic of {registration.service}: {registration.service}.*"
            )
        if produced.topic in seen:
            raise refuse(where, f"{produced.topic} is listed twice")
        seen.add(produced.topic)
    seen = set()
    for index, consumed in enumerate(registration.consumes):
        if consumed.topic in seen:
            raise refuse(("consumes", index, "topic"), f"{consumed.topic} is listed twice")
        seen.add(consumed.topic)
    for name in ("secrets", "folders", "exposes", "reaches"):
        values = getattr(registration, name)
        for index, value in enumerate(values):
            if value in values[:index]:
                raise refuse((name, index), f"{value} is listed twice")
    for index, path in enumerate(registration.exposes):
        if f"/{path.split('/')[1]}" in OPERATIONAL_PATHS:
            raise refuse(("exposes", index), f"{path} is not for callers outside the mesh")
    if registration.exposes and registration.http_port is None:
        raise refuse(("exposes",), "expected an http_port too, as the service exposes HTTP")
    if registration.serves and registration.port is None:
        raise refuse(("serves",), "expected a port too, as the service serves gRPC")
    if registration.intake and not (registration.serves and registration.http_port):
        raise refuse(("intake",), "expected serves and an http_port too, as much comes by calls")
    if registration.port is not None and registration.port == registration.http_port:
        raise refuse(("http_port",), "expected another port than the gRPC port")
