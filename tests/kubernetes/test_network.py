"""Who may connect to whom is what the registrations declare, and the tables here; nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshctl.catalogue import Catalogue

from . import surroundings
from .manifests import World, differences
from .network import Edge, Network, Node, nodes_of

PARTS = ("rpc", "stream")

# Source, target, port: of the parts that all share. A name is a node of `surroundings` or of the
# platform's folder; `anybody` is whom no policy of ours holds back.
PLATFORM = (
    ("registry", "kafka", 9093),
    ("keda", "kafka", 9093),
    ("monitoring", "collector", 8888),
    ("monitoring", "registry", 8080),
    # Strimzi's policies, beside which ours can only open more.
    ("kafka", "kafka", 9090),
    ("kafka", "kafka", 9091),
    ("entity-operator", "kafka", 9091),
    ("exporter", "kafka", 9091),
    ("strimzi", "kafka", 8443),
    ("strimzi", "kafka", 9090),
    ("strimzi", "kafka", 9091),
    ("anybody", "kafka", 9404),
    ("anybody", "exporter", 9404),
    ("anybody", "entity-operator", 8080),
    ("anybody", "entity-operator", 8081),
    ("kafka", "api", 6443),
    ("entity-operator", "api", 6443),
)
# Of each department's pods.
DEPARTMENT = (
    ("{part}", "kafka", 9093),
    ("{part}", "registry", 8080),
    ("{part}", "collector", 4317),
    ("{part}", "{postgres}", 5432),
    ("monitoring", "{part}", "http"),
)
# Of each department's database.
DATABASE = (
    ("{postgres}", "{postgres}", 5432),
    ("{postgres}", "{postgres}", 8000),
    ("{postgres}-join", "{postgres}", 5432),
    ("cnpg", "{postgres}", 8000),
    ("cnpg", "{postgres}", 5432),
    ("monitoring", "{postgres}", 9187),
    ("{postgres}", "api", 6443),
    ("{postgres}-join", "api", 6443),
)
NAMES = {
    "registry": "citymesh-registry/registry",
    "collector": "citymesh-telemetry/collector",
}


def network_problems(
    world: World,
    catalogue: Catalogue,
    overlay: str,
    whole: World | None = None,
    within: str | None = None,
    more: Iterable[Edge] = (),
) -> list[str]:
    """Each connection that is let through and not declared, nor of `more`; or declared and refused.

    `whole`: where the places outside are named, when `world` lacks a part of it. `within`: only
    what begins or ends in this namespace.
    """
    everyone = [
        *nodes_of(world),
        *surroundings.nodes(world),
        *surroundings.places(whole or world),
    ]
    network = Network([*world.of("NetworkPolicy"), *surroundings.policies(world)])
    wanted = {
        *_dns(everyone),
        *_platform(everyone, overlay),
        *_departments(world, catalogue, overlay),
        *more,
    }
    names = {node.name for node in everyone if within in (None, node.namespace)}
    mine = {edge for edge in wanted if {edge.source, edge.target} & names}
    return differences("edge", network.graph(everyone, within), mine)


def test_the_network_is_the_declared_calls(
    world: World, overlay: str, catalogue: Catalogue
) -> None:
    assert network_problems(world, catalogue, overlay) == []


def test_departments_reach_each_other_by_declared_calls_alone(
    world: World, catalogue: Catalogue
) -> None:
    """The same without any table: between departments there are the calls."""
    departments = [node for node in nodes_of(world) if node.namespace.startswith("city-")]
    found = Network(world.of("NetworkPolicy")).graph(departments)
    assert differences("edge", found, _calls(catalogue)) == []


def _calls(catalogue: Catalogue) -> Iterator[Edge]:
    for caller in catalogue.services:
        for callee in catalogue.services:
            if any(call.partition("/")[0] in callee.serves for call in caller.calls):
                assert callee.port is not None
                for part in PARTS:
                    yield Edge(_pod(caller.service, part), _pod(callee.service, "rpc"), callee.port)


def _departments(world: World, catalogue: Catalogue, overlay: str) -> Iterator[Edge]:
    yield from _calls(catalogue)
    clients = [one for one in surroundings.CLIENTS if overlay == "city" or one != "object-store"]
    called = {call.partition("/")[0] for client in catalogue.clients for call in client.calls}
    for own in catalogue.services:
        name, postgres = own.service, f"city-{own.service}/postgres"
        assert own.port is not None
        assert own.http_port is not None
        for part in PARTS:
            words = {"part": _pod(name, part), "postgres": postgres}
            for source, target, port in DEPARTMENT:
                number = own.http_port if isinstance(port, str) else port
                yield Edge(_name(source.format(**words)), _name(target.format(**words)), number)
            for place in own.reaches:
                yield Edge(_pod(name, part), place, surroundings.PLACES[place])
        for source, target, port in DATABASE:
            yield Edge(source.format(postgres=postgres), target.format(postgres=postgres), port)
        if overlay == "city":
            for database in (postgres, f"{postgres}-join"):
                yield Edge(database, "object-store", 443)
        for job in _jobs(world, name):
            yield Edge(job, NAMES["registry"], 8080)
        if own.exposes:
            yield Edge("ingress", _pod(name, "rpc"), own.http_port)
        if called & set(own.serves):
            for client in clients:
                yield Edge(client, _pod(name, "rpc"), own.port)


def _platform(everyone: list[Node], overlay: str) -> Iterator[Edge]:
    anybody = [node.name for node in everyone if node.unheld]
    for source, target, port in PLATFORM:
        for one in anybody if source == "anybody" else [_name(source)]:
            yield Edge(one, _name(target), port)
    if overlay == "city":
        yield Edge(NAMES["collector"], "monitoring", 4317)


def _dns(everyone: list[Node]) -> Iterator[Edge]:
    """Whoever has a name to look up."""
    for node in everyone:
        # In a department's namespace not even names for what is not its own.
        squatter = node.name.startswith("city-") and node.name.endswith("/squatter")
        if not node.unheld and not squatter:
            for protocol in ("TCP", "UDP"):
                yield Edge(node.name, "dns", 53, protocol)


def _jobs(world: World, service: str) -> list[str]:
    return [pod.path for pod in world.pods_of(f"city-{service}") if not pod.lasts]


def _pod(service: str, part: str) -> str:
    return f"city-{service}/{service}-{part}"


def _name(role: str) -> str:
    return NAMES.get(role, role)
