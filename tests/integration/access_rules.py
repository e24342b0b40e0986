"""Who may do what, read from the registrations' text and stated here once more, in plain words.

It shares no code with what makes the rules: `meshctl.apply.acls` and `meshctl.policy` are what
is put to the test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
REGISTRY = "registry"
TOPIC_OPERATIONS = (
    "READ",
    "WRITE",
    "DESCRIBE",
    "CREATE",
    "DELETE",
    "ALTER",
    "DESCRIBE_CONFIGS",
    "ALTER_CONFIGS",
)
GROUP_OPERATIONS = ("READ", "DESCRIBE", "DELETE")


@dataclass(frozen=True)
class Principal:
    """A department, a client, or the registry: what its text says."""

    name: str
    is_service: bool
    produces: frozenset[str] = frozenset()
    consumes: frozenset[str] = frozenset()
    serves: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    exposes: tuple[str, ...] = ()

    def dead_letters(self) -> set[str]:
        """A service keeps what it could not handle beside each topic that it reads."""
        if not self.is_service:
            return set()
        return {f"{topic}.{self.name}.dlt" for topic in self.consumes if ".dlt" not in topic}

    def on_topic(self, topic: str) -> set[str]:
        """The operations that are declared for a topic: all others must be refused."""
        may: set[str] = set()
        if topic in self.produces:
            may |= {"WRITE"}
        if topic in self.consumes:
            may |= {"READ"}
        if topic in self.dead_letters():
            may |= {"READ", "WRITE"}
        if self.is_service and topic.startswith(f"{self.name}-"):
            may |= {"READ", "WRITE", "CREATE"}
        if self.name == REGISTRY and topic.startswith("registry-"):
            may |= {"READ", "WRITE", "CREATE", "DESCRIBE_CONFIGS"}
        return may | {"DESCRIBE"} if may else may

    def on_group(self, group: str) -> set[str]:
        """Its own groups, if it reads anything."""
        own = group.startswith(f"{self.name}-") or (group == self.name and self.name != REGISTRY)
        reads = bool(self.consumes) or self.name == REGISTRY
        return {"READ", "DESCRIBE"} if own and reads else set()

    def may_call(self, service: str, method: str) -> bool:
        """What it declares, by name or all of a service."""
        return f"{service}/{method}" in self.calls or f"{service}/*" in self.calls


def principals() -> list[Principal]:
    """Everybody who is registered, and the registry, which is part of the platform."""
    services = [_read(path, True) for path in sorted((ROOT / "services").glob("*/service.yaml"))]
    clients = [_read(path, False) for path in sorted((ROOT / "deploy/local/clients").glob("*"))]
    return [*services, *clients, Principal(REGISTRY, is_service=False)]


def topics(known: list[Principal]) -> set[str]:
    """All that anybody writes, dead letters too."""
    return {topic for one in known for topic in one.produces | one.dead_letters()}


def methods() -> Iterator[tuple[str, str]]:
    """Every service and method of the contracts' text."""
    for proto in sorted((ROOT / "protos/city").rglob("*.proto")):
        package = service = ""
        for line in proto.read_text(encoding="utf-8").splitlines():
            words = line.replace("(", " ").replace(";", " ").split()
            if words[:1] == ["package"]:
                package = words[1]
            elif words[:1] == ["service"]:
                service = f"{package}.{words[1]}"
            elif words[:1] == ["rpc"]:
                yield service, words[1]


def _read(path: Path, is_service: bool) -> Principal:
    text: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Principal(
        text["service"],
        is_service,
        frozenset(one["topic"] for one in text.get("produces", ())),
        frozenset(one["topic"] for one in text.get("consumes", ())),
        tuple(text.get("serves", ())),
        tuple(text.get("calls", ())),
        tuple(text.get("exposes", ())),
    )
