"""Who may connect to whom, computed from NetworkPolicies as a network plug-in does.

A connection needs both: egress of the one that opens it, ingress of the one that takes it. A pod
that no policy selects for a direction is open in that direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from .manifests import Labels, Object, World, namespace, selects


@dataclass(frozen=True)
class Node:
    """A pod, or with no namespace a place outside the cluster."""

    name: str
    namespace: str = ""
    namespace_labels: Labels = field(default_factory=dict, hash=False)
    labels: Labels = field(default_factory=dict, hash=False)
    ports: Mapping[str, int] = field(default_factory=dict, hash=False)
    address: str = "10.244.0.10"
    listens: tuple[tuple[str, int], ...] = ()
    """Protocol and port of what it takes; a port that it does not take is asked for too."""
    unheld: bool = False
    """Nothing of ours holds it back: what it does with its like is not ours to say."""

    @property
    def outside(self) -> bool:
        return not self.namespace


Asked = tuple[Node, int, str]
"""Who is asked, at which port, by which protocol."""


@dataclass(frozen=True, order=True)
class Edge:
    """A connection that is let through."""

    source: str
    target: str
    port: int
    protocol: str = "TCP"


CLOSED = ("TCP", 9)
"""A port that nobody listens on: only a rule that names no port lets it through."""


class Network:
    """The policies, with which of them apply to whom found once per node."""

    def __init__(self, policies: Iterable[Object]) -> None:
        self._policies = list(policies)
        self._mine: dict[tuple[str, str], list[Object]] = {}

    def allows(self, source: Node, target: Node, port: int, protocol: str = "TCP") -> bool:
        """Whether the policies let the connection through."""
        outgoing, incoming = self._of(source, "Egress"), self._of(target, "Ingress")
        return _side(outgoing, ("egress", "to"), target, (target, port, protocol)) and _side(
            incoming, ("ingress", "from"), source, (target, port, protocol)
        )

    def graph(self, nodes: Iterable[Node], within: str | None = None) -> frozenset[Edge]:
        """Every connection that is let through, of two pods of one template too.

        `within`: only what begins or ends in this namespace.
        """
        everyone = list(nodes)
        return frozenset(
            Edge(source.name, target.name, port, protocol)
            for source in everyone
            for target in everyone
            if within in (None, source.namespace, target.namespace)
            for protocol, port in (*target.listens, CLOSED)
            if not (source.unheld and target.unheld) and self.allows(source, target, port, protocol)
        )

    def _of(self, node: Node, direction: str) -> list[Object]:
        key = (node.name, direction)
        if key not in self._mine:
            self._mine[key] = [one for one in self._policies if _applies(one, node, direction)]
        return self._mine[key]


def _side(policies: list[Object], words: tuple[str, str], peer: Node, asked: Asked) -> bool:
    """One direction: open without a policy, else any rule of any policy."""
    direction, peers = words
    return not policies or any(
        _peer(rule.get(peers, []), policy, peer) and _port(rule, *asked)
        for policy in policies
        for rule in policy["spec"].get(direction, [])
    )


def _applies(policy: Object, node: Node, direction: str) -> bool:
    spec = policy["spec"]
    implied = ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return (
        namespace(policy) == node.namespace
        and not node.outside
        and direction in spec.get("policyTypes", implied)
        and selects(spec.get("podSelector", {}), node.labels)
    )


def _peer(peers: list[Object], policy: Object, node: Node) -> bool:
    return not peers or any(_is(peer, policy, node) for peer in peers)


def _is(peer: Object, policy: Object, node: Node) -> bool:
    if "ipBlock" in peer:
        # What a plug-in takes for a pod's address differs: a block that holds it opens the pod too.
        block, address = peer["ipBlock"], ip_address(node.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(hole) for hole in block.get("except", [])
        )
    if node.outside:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], node.namespace_labels):
            return False
    elif node.namespace != namespace(policy):
        return False
    return selects(peer.get("podSelector", {}), node.labels)


def _port(rule: Object, target: Node, port: int, protocol: str) -> bool:
    ports = rule.get("ports", [])
    return not ports or any(_same(one, target, port, protocol) for one in ports)


def _same(given: Object, target: Node, port: int, protocol: str) -> bool:
    if given.get("protocol", "TCP") != protocol:
        return False
    number: Any = given.get("port")
    if number is None:
        return True
    if isinstance(number, str):
        return target.ports.get(number) == port
    return bool(number <= port <= given.get("endPort", number))


def nodes_of(world: World) -> list[Node]:
    """A node per pod template of the build."""
    return [
        Node(
            pod.path,
            pod.namespace,
            world.namespace_labels(pod.namespace),
            pod.labels,
            pod.ports,
            f"10.244.0.{index % 250 + 1}",
            tuple(
                sorted(
                    (port.get("protocol", "TCP"), port["containerPort"])
                    for container in pod.containers
                    for port in container.get("ports", [])
                )
            ),
        )
        for index, pod in enumerate(world.pods)
    ]
