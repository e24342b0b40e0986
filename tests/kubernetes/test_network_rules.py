"""The evaluator of NetworkPolicies, on small cases that Kubernetes' documentation tells of."""

from __future__ import annotations

from typing import Any

import pytest

from .manifests import Object
from .network import Network, Node

WEB = Node("web", "shop", {"team": "shop"}, {"app": "web"}, {"http": 80}, "10.244.0.1")
DB = Node("db", "shop", {"team": "shop"}, {"app": "db"}, {"sql": 5432}, "10.244.0.2")
ELSEWHERE = Node("other", "else", {"team": "else"}, {"app": "web"}, {}, "10.244.0.3")
OUTSIDE = Node("outside", address="192.0.2.7")


def allows(policies: list[Object], source: Node, target: Node, port: int) -> bool:
    return Network(policies).allows(source, target, port)


def policy(**spec: Any) -> Object:
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": "one", "namespace": "shop"},
        "spec": {"podSelector": {}, **spec},
    }


def db(**spec: Any) -> Object:
    return policy(podSelector={"matchLabels": {"app": "db"}}, **spec)


def from_(*peers: Object, ports: list[Object] | None = None) -> list[Object]:
    return [{"from": list(peers), **({"ports": ports} if ports else {})}]


DENY = policy(policyTypes=["Ingress", "Egress"])
SAME = {"podSelector": {"matchLabels": {"app": "web"}}}
THEIRS = {"namespaceSelector": {"matchLabels": {"team": "else"}}}


def test_without_a_policy_all_is_open() -> None:
    assert allows([], WEB, DB, 5432)
    assert allows([], OUTSIDE, DB, 5432)


def test_an_empty_selector_is_of_every_pod_of_its_own_namespace() -> None:
    assert not allows([DENY], WEB, DB, 5432)
    assert not allows([DENY], ELSEWHERE, WEB, 80)
    assert allows([DENY], ELSEWHERE, ELSEWHERE, 80)


def test_both_sides_must_allow() -> None:
    into = db(ingress=from_(SAME))
    out = policy(policyTypes=["Egress"], egress=[{"to": [{"podSelector": {}}]}])
    assert not allows([DENY, into], WEB, DB, 5432)
    assert not allows([DENY, out], WEB, DB, 5432)
    assert allows([DENY, into, out], WEB, DB, 5432)


@pytest.mark.parametrize(
    ("ingress", "source", "port", "let_in"),
    [
        ([{}], OUTSIDE, 1, True),
        ([], WEB, 5432, False),
        (from_(SAME), WEB, 5432, True),
        (from_(SAME), ELSEWHERE, 5432, False),
        (from_(THEIRS), ELSEWHERE, 5432, True),
        (from_(THEIRS), WEB, 5432, False),
        (from_({"namespaceSelector": {}}), ELSEWHERE, 5432, True),
        (from_({"namespaceSelector": {}}), OUTSIDE, 5432, False),
        # One peer of two conditions: both; two peers: either.
        (from_({**THEIRS, "podSelector": {"matchLabels": {"app": "db"}}}), ELSEWHERE, 1, False),
        (from_(THEIRS, {"podSelector": {"matchLabels": {"app": "db"}}}), ELSEWHERE, 1, True),
        (from_(SAME, ports=[{"port": 5432}]), WEB, 5432, True),
        (from_(SAME, ports=[{"port": 5432}]), WEB, 80, False),
        (from_(SAME, ports=[{"port": "sql"}]), WEB, 5432, True),
        (from_(SAME, ports=[{"port": "http"}]), WEB, 80, False),
        (from_(SAME, ports=[{"port": 5000, "endPort": 6000}]), WEB, 5432, True),
        (from_(SAME, ports=[{"port": 5432, "protocol": "UDP"}]), WEB, 5432, False),
        (from_({"ipBlock": {"cidr": "192.0.2.0/24"}}), OUTSIDE, 5432, True),
        (from_({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["192.0.2.0/24"]}}), OUTSIDE, 1, False),
        (from_({"ipBlock": {"cidr": "0.0.0.0/0"}}), ELSEWHERE, 5432, True),
    ],
)
def test_what_a_rule_lets_in(ingress: list[Object], source: Node, port: int, let_in: bool) -> None:
    assert allows([db(ingress=ingress)], source, DB, port) is let_in


def test_expressions() -> None:
    def let_in(operator: str, **values: Any) -> bool:
        peer = {"matchExpressions": [{"key": "app", "operator": operator, **values}]}
        return allows([db(ingress=from_({"podSelector": peer}))], WEB, DB, 5432)

    assert let_in("In", values=["web"])
    assert not let_in("NotIn", values=["web"])
    assert let_in("Exists")
    assert not let_in("DoesNotExist")


def test_a_policy_with_only_egress_leaves_what_comes_in_denied() -> None:
    """Without policyTypes it is of what comes in, too."""
    assert not allows([db(egress=[{}])], WEB, DB, 5432)
    assert allows([db(egress=[{}], policyTypes=["Egress"])], WEB, DB, 5432)
    assert allows([db(egress=[{}])], DB, OUTSIDE, 443)
