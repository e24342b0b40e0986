"""How much of everything: the one place of replicas, resources and limits.

Two lines for a department that carries 112 and 119, and for one that does not. An overlay patches
what one city needs otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from city_backbone.registration import Registration

from meshctl.apply.topics import TopicSpec


@dataclass(frozen=True, slots=True)
class Resources:
    """Of one container: CPU in thousandths of a core, memory in MiB. CPU has no limit: a limit
    would only slow down what could use an idle core."""

    cpu: int
    memory: int
    memory_limit: int


@dataclass(frozen=True, slots=True)
class Pods:
    """A workload: from how many pods to how many, and what each takes."""

    least: int
    most: int
    resources: Resources


@dataclass(frozen=True, slots=True)
class Database:
    """PostgreSQL: instances, each one's resources, GiB of storage, connections."""

    instances: int
    resources: Resources
    storage: int
    connections: int


@dataclass(frozen=True, slots=True)
class Size:
    """Everything of one department."""

    rpc: Pods | None
    stream: Pods
    database: Database
    lag: int
    """So many events behind per pod, and one more pod is started."""
    session_seconds: int
    """A stream pod away for less keeps its partitions; one that died holds them for as long."""

    @property
    def workloads(self) -> tuple[Pods, ...]:
        return (self.rpc, self.stream) if self.rpc else (self.stream,)


SCHEMAS_JOB = Resources(cpu=50, memory=128, memory_limit=256)
FOLDER_GIB = 1

_RPC = Resources(cpu=250, memory=256, memory_limit=512)
_STREAM = Resources(cpu=500, memory=384, memory_limit=768)
_DATABASE = Resources(cpu=500, memory=1024, memory_limit=1024)
# What an operator's plug-in runs beside an instance, to back it up.
_BESIDE_DATABASE = Resources(cpu=50, memory=128, memory_limit=256)
_INSTANCES = 3
_STORAGE = 20
# Of one process: the pool, the migrations', the relay's, those that listen and those that probe.
_CONNECTIONS_OF_PROCESS = 16
_CONNECTIONS_BESIDE = 20


def of(service: Registration, topics: Mapping[str, TopicSpec]) -> Size:
    """The size of a department. More stream pods than partitions would stand idle."""
    urgent = service.priority == "urgent"
    rpc = Pods(3, 9, _RPC) if urgent else Pods(2, 6, _RPC)
    stream = _stream(2, largest(service, topics))
    served = rpc if serves(service) else None
    processes = stream.most + (served.most + 1 if served else 0)
    connections = processes * _CONNECTIONS_OF_PROCESS + _CONNECTIONS_BESIDE
    return Size(
        rpc=served,
        stream=stream,
        database=Database(_INSTANCES, _DATABASE, _STORAGE, connections),
        lag=50 if urgent else 1000,
        session_seconds=20 if urgent else 45,
    )


def serves(service: Registration) -> bool:
    """Whether anybody calls the department, so that it has pods for calls."""
    return bool(service.serves or service.exposes)


def largest(service: Registration, topics: Mapping[str, TopicSpec]) -> int | None:
    """The most partitions of a topic that it reads, None when none is known here."""
    counts = [topics[one.topic].partitions for one in service.consumes if one.topic in topics]
    return max(counts, default=None)


def _stream(least: int, partitions: int | None) -> Pods:
    most = least if partitions is None else partitions
    return Pods(min(least, most), most, _STREAM)


def own(size: Size) -> tuple[int, Resources]:
    """Pods and resources of the department's own when all is at its most, one more of each while
    it rolls."""
    parts = [(pods.most + 1, pods.resources) for pods in size.workloads]
    parts.append((2, SCHEMAS_JOB))
    return sum(count for count, _ in parts), _together(parts)


def total(size: Size) -> tuple[int, Resources]:
    """The same with the database, while it gets a new instance."""
    count, resources = own(size)
    instances = size.database.instances + 1
    parts = [(1, resources), (instances, size.database.resources), (instances, _BESIDE_DATABASE)]
    return count + instances, _together(parts)


def _together(parts: Iterable[tuple[int, Resources]]) -> Resources:
    known = tuple(parts)
    return Resources(
        cpu=sum(count * one.cpu for count, one in known),
        memory=sum(count * one.memory for count, one in known),
        memory_limit=sum(count * one.memory_limit for count, one in known),
    )


def container(resources: Resources) -> dict[str, dict[str, str]]:
    """As a container says it."""
    return {
        "requests": {"cpu": f"{resources.cpu}m", "memory": f"{resources.memory}Mi"},
        "limits": {"memory": f"{resources.memory_limit}Mi"},
    }
