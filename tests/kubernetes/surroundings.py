"""Pods that operators make from our objects, and the rest of the world, for the network's graph."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from .manifests import Object, World, namespace
from .network import Node

Listens = tuple[tuple[str, int], ...]

_CITY = {"strimzi.io/cluster": "city"}
_KAFKA = {**_CITY, "strimzi.io/name": "city-kafka", "strimzi.io/kind": "Kafka"}
_ENTITY = {**_CITY, "strimzi.io/name": "city-entity-operator", "strimzi.io/kind": "Kafka"}
_EXPORTER = {**_CITY, "strimzi.io/name": "city-kafka-exporter", "strimzi.io/kind": "Kafka"}

# Name: namespace, labels, the TCP ports that it takes.
_OPERATORS: dict[str, tuple[str, dict[str, str], tuple[int, ...]]] = {
    "kafka": ("citymesh-kafka", _KAFKA, (8443, 9090, 9091, 9093, 9404)),
    "entity-operator": ("citymesh-kafka", _ENTITY, (8080, 8081)),
    "exporter": ("citymesh-kafka", _EXPORTER, (9404,)),
    "strimzi": ("strimzi", {"strimzi.io/kind": "cluster-operator"}, (8080,)),
    "cnpg": ("cnpg-system", {"app.kubernetes.io/name": "cloudnative-pg"}, (9443,)),
    "keda": ("keda", {"app": "keda-operator"}, (9666,)),
    "dns": ("kube-system", {"k8s-app": "kube-dns"}, (53,)),
    # Prometheus, and what keeps traces.
    "monitoring": ("monitoring", {}, (9090, 4317)),
    "ingress": ("ingress", {"app.kubernetes.io/name": "ingress"}, (443,)),
    # Somebody's, with nothing to do with the city.
    "stranger": ("default", {"app": "stranger"}, (8080,)),
}
# Who may call departments from outside the cluster: whoever has a public address. Identity is
# checked by certificate.
CLIENTS = ("internet", "rooms", "object-store")
# The port of each place that a department may reach.
PLACES = {"rooms": 443}
# Whom no policy of ours holds back from calling.
UNHELD = {
    *("strimzi", "cnpg", "keda", "dns", "monitoring", "ingress", "stranger"),
    *("internet", "api", "object-store", *PLACES),
}


def nodes(world: World) -> Iterator[Node]:
    """Everybody in the cluster who is in no build."""
    for index, (name, (space, labels, numbers)) in enumerate(_OPERATORS.items()):
        listens = tuple(("TCP", number) for number in numbers)
        if name == "dns":
            listens += (("UDP", 53),)
        yield Node(
            name,
            space,
            world.namespace_labels(space),
            labels,
            {},
            f"10.244.1.{index + 1}",
            listens,
            name in UNHELD,
        )
    for index, found in enumerate(world.of("Namespace")):
        yield _squatter(world, found["metadata"]["name"], index)
    for index, cluster in enumerate(world.of("Cluster")):
        yield from _database(world, cluster, index)


def _squatter(world: World, space: str, index: int) -> Node:
    """A pod that somebody puts into a namespace of ours, by no label of ours."""
    return Node(
        f"{space}/squatter",
        space,
        world.namespace_labels(space),
        address=f"10.244.4.{index + 1}",
        listens=(("TCP", 8080),),
    )


def _database(world: World, cluster: Object, index: int) -> Iterator[Node]:
    """CloudNativePG's pods: the instances, and the job by which one more joins."""
    space, name = namespace(cluster), cluster["metadata"]["name"]
    given = cluster["spec"].get("inheritedMetadata", {}).get("labels", {})
    own = {**given, "cnpg.io/cluster": name}
    yield Node(
        f"{space}/{name}",
        space,
        world.namespace_labels(space),
        {**own, "cnpg.io/podRole": "instance", "cnpg.io/instanceRole": "primary"},
        {"postgresql": 5432, "metrics": 9187, "status": 8000},
        f"10.244.2.{index + 1}",
        (("TCP", 5432), ("TCP", 8000), ("TCP", 9187)),
    )
    yield Node(
        f"{space}/{name}-join",
        space,
        world.namespace_labels(space),
        {**own, "cnpg.io/jobRole": "join"},
        {},
        f"10.244.3.{index + 1}",
    )


def places(world: World) -> Iterator[Node]:
    """Everybody outside, at the addresses that the overlay names for them."""
    yield Node("internet", address="8.8.8.8", listens=(("TCP", 443), ("TCP", 80)), unheld=True)
    yield _place(world, "api-server", "api", 6443)
    for name, port in PLACES.items():
        yield _place(world, f"reach-{name}", name, port)
    if any(one["metadata"]["name"] == "postgres-backups" for one in world.of("NetworkPolicy")):
        yield _place(world, "postgres-backups", "object-store", 443)


def _place(world: World, policy: str, name: str, port: int) -> Node:
    found = next(one for one in world.of("NetworkPolicy") if one["metadata"]["name"] == policy)
    block = ip_network(found["spec"]["egress"][0]["to"][0]["ipBlock"]["cidr"])
    address = block[7] if block.prefixlen else "10.0.0.7"
    return Node(name, address=str(address), listens=(("TCP", port),), unheld=True)


def policies(world: World) -> list[Object]:
    """What Strimzi writes beside the cluster: who may reach its nodes, exporter and operator."""
    kafka = world.find("Kafka", "city")
    operator = {
        "namespaceSelector": {},
        "podSelector": {"matchLabels": {"strimzi.io/kind": "cluster-operator"}},
    }
    inner = [{"podSelector": {"matchLabels": one}} for one in (_KAFKA, _ENTITY, _EXPORTER)]
    rules: list[Object] = [
        {"from": [operator, inner[0]], "ports": [{"port": 9090}]},
        {"from": [operator, *inner], "ports": [{"port": 9091}]},
        {"from": [operator], "ports": [{"port": 8443}]},
    ]
    for listener in kafka["spec"]["kafka"]["listeners"]:
        rules.append(
            {"from": listener.get("networkPolicyPeers", []), "ports": [{"port": listener["port"]}]}
        )
    everyone = [{"ports": [{"port": 9404}]}]
    metrics = everyone if "metricsConfig" in kafka["spec"]["kafka"] else []
    return [
        _strimzi_policy(_KAFKA, [*rules, *metrics]),
        _strimzi_policy(_EXPORTER, everyone),
        _strimzi_policy(_ENTITY, [{"ports": [{"port": 8080}, {"port": 8081}]}]),
    ]


def _strimzi_policy(labels: Object, rules: list[Object]) -> Object:
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": labels["strimzi.io/name"], "namespace": "citymesh-kafka"},
        "spec": {"podSelector": {"matchLabels": labels}, "ingress": rules},
    }
