"""NetworkPolicies: exactly the declared edges. That nothing else is let through is the tenant's
default-deny."""

from __future__ import annotations

from collections.abc import Sequence

from city_backbone.registration import Registration

from meshctl.catalogue import Catalogue
from meshctl.render import edges, names
from meshctl.render.names import Object
from meshctl.render.sizes import Size

UNSET_BLOCK = "192.0.2.0/24"
"""Documentation's addresses: nobody is there until an overlay names whom to reach."""


def objects(service: Registration, catalogue: Catalogue, size: Size) -> list[Object]:
    name = service.service
    mine = names.selector(name)
    found = [
        policy("dns", name, mine, egress=[dns()]),
        policy("egress", name, mine, egress=_platform()),
    ]
    called = edges.neighbours(service, catalogue)
    if called:
        found.append(policy("calls", name, mine, egress=[_call(one) for one in called]))
    callers = edges.callers(service, catalogue)
    if size.rpc and service.port and callers:
        peers = [_pods_of(one.service) for one in callers]
        found.append(
            policy(
                "grpc",
                name,
                names.selector(name, "rpc"),
                ingress=[{"from": peers, "ports": ports(service.port)}],
            )
        )
    if service.http_port:
        scraped = {"from": [namespace(names.MONITORING)], "ports": ports(service.http_port)}
        found.append(policy("scrape", name, mine, ingress=[scraped]))
    return [*found, *(_reach(service, place) for place in service.reaches)]


def policy(
    name: str,
    service: str,
    pods: Object,
    *,
    ingress: Sequence[Object] = (),
    egress: Sequence[Object] = (),
) -> Object:
    """One that opens what it names for pods with these labels."""
    opened: Object = {}
    if ingress:
        opened["ingress"] = list(ingress)
    if egress:
        opened["egress"] = list(egress)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(name, names.tenant(service), names.labels(service)),
        "spec": {
            "podSelector": {"matchLabels": pods},
            "policyTypes": [direction.capitalize() for direction in opened],
            **opened,
        },
    }


def namespace(name: str, pods: Object | None = None) -> Object:
    """A peer: the pods of a namespace, all or those with these labels."""
    found: Object = {"namespaceSelector": {"matchLabels": {names.NAMESPACE: name}}}
    return {**found, "podSelector": {"matchLabels": pods}} if pods else found


def ports(*numbers: int) -> list[Object]:
    return [{"protocol": "TCP", "port": number} for number in numbers]


def dns() -> Object:
    """Looking up names."""
    both = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {"to": [namespace(names.DNS)], "ports": both}


def registry() -> Object:
    pods = {names.NAME: "registry"}
    return {"to": [namespace(names.REGISTRY, pods)], "ports": ports(names.REGISTRY_PORT)}


def _platform() -> list[Object]:
    brokers = {"strimzi.io/cluster": names.CLUSTER, "strimzi.io/name": f"{names.CLUSTER}-kafka"}
    database = {"podSelector": {"matchLabels": {"cnpg.io/cluster": names.POSTGRES}}}
    collector = {names.NAME: "collector"}
    return [
        {"to": [namespace(names.KAFKA, brokers)], "ports": ports(names.KAFKA_PORT)},
        registry(),
        {"to": [database], "ports": ports(names.POSTGRES_PORT)},
        {"to": [namespace(names.TELEMETRY, collector)], "ports": ports(names.COLLECTOR_PORT)},
    ]


def _pods_of(service: str, component: str | None = None) -> Object:
    return namespace(names.tenant(service), names.selector(service, component))


def _call(called: Registration) -> Object:
    assert called.port is not None  # who serves has one
    return {"to": [_pods_of(called.service, "rpc")], "ports": ports(called.port)}


def _reach(service: Registration, place: str) -> Object:
    opened = {"to": [{"ipBlock": {"cidr": UNSET_BLOCK}}], "ports": ports(443)}
    name = service.service
    return policy(f"reach-{place}", name, names.selector(name), egress=[opened])
