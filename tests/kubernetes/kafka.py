"""What the manifests make of Kafka: topics, users and their access rules, beside the same of
`meshctl up`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from city_backbone.registration import Registration
from meshctl.apply import acls, quotas, topics
from meshctl.apply.acls import Acl
from meshctl.credentials import REGISTRY

from .manifests import Object, World, differences, namespace, told

NAMESPACE = "citymesh-kafka"
CLUSTER = "city"
REGISTRY_TOPICS = {"registry-journal", "registry-snapshots", "registry-events"}

_PATTERNS = {"literal": "LITERAL", "prefix": "PREFIXED"}
_QUOTAS = {
    "producerByteRate": "producer_byte_rate",
    "consumerByteRate": "consumer_byte_rate",
    "requestPercentage": "request_percentage",
}


def topic_name(topic: Object) -> str:
    return str(topic["spec"].get("topicName", topic["metadata"]["name"]))


def topic_problems(world: World, registrations: Iterable[Registration]) -> list[str]:
    """Where the KafkaTopics are not the declared topics."""
    declared = topics.declared(registrations)
    found = {topic_name(topic): topic for topic in world.of("KafkaTopic")}
    names = found.keys() - REGISTRY_TOPICS
    problems = differences("KafkaTopic", names, declared)
    if len(found) != len(world.of("KafkaTopic")):
        problems.append("two KafkaTopics are of one topic")
    brokers = _brokers(world)
    for topic in found.values():
        problems += _placed(topic)
        spec = topic["spec"]
        if spec.get("replicas") != min(brokers, 3):
            problems.append(f"{told(topic)}: {spec.get('replicas')} replicas of {brokers} brokers")
    for name in sorted(names & declared.keys()):
        wanted, topic = declared[name], found[name]
        if topic["spec"].get("partitions") != wanted.partitions:
            problems.append(f"{told(topic)}: partitions are not {wanted.partitions}")
        # As many replicas must have a record as can be had when one broker is away.
        configuration = {
            **wanted.configuration,
            "min.insync.replicas": str(max(1, min(brokers, 3) - 1)),
        }
        given = {key: str(value) for key, value in topic["spec"].get("config", {}).items()}
        problems += differences(told(topic), given.items(), configuration.items())
    return problems


def rules(world: World) -> frozenset[Acl]:
    """What the KafkaUsers are allowed. Raises ValueError for what `meshctl up` has no word for."""
    return frozenset(
        rule for user in world.of("KafkaUser") for rule in _rules_of(user, user["spec"])
    )


def rule_problems(world: World, registrations: Iterable[Registration]) -> list[str]:
    """Where the KafkaUsers' rules are not exactly those that `meshctl up` makes."""
    try:
        found = rules(world)
    except ValueError as error:
        return [str(error)]
    return differences("access rule", found, acls.declared(registrations) | acls.of_registry())


def user_problems(world: World, registrations: Iterable[Registration]) -> list[str]:
    """Where users, their passwords and their quotas are not as declared."""
    known = tuple(registrations)
    users = {user["metadata"]["name"]: user for user in world.of("KafkaUser")}
    problems = differences("KafkaUser", users, {one.service for one in known} | {REGISTRY})
    limits = quotas.declared(known)
    for name, user in users.items():
        problems += _placed(user)
        spec = user["spec"]
        password = {"secretKeyRef": {"name": f"{name}-password", "key": "password"}}
        login = {"type": "scram-sha-512", "password": {"valueFrom": password}}
        if spec.get("authentication") != login:
            problems.append(f"{told(user)}: its password is not that of {name}-password")
        given = {_QUOTAS.get(key, key): float(one) for key, one in spec.get("quotas", {}).items()}
        problems += differences(told(user), given.items(), limits.get(name, {}).items())
    return problems


def _rules_of(user: Object, spec: Object) -> Iterable[Acl]:
    authorization = spec["authorization"]
    if authorization["type"] != "simple":
        raise ValueError(f"{told(user)}: authorization is not simple")
    for rule in authorization["acls"]:
        resource: Any = rule["resource"]
        kind: Any = resource["type"].upper()
        pattern: Any = _PATTERNS[resource.get("patternType", "literal")]
        plain = rule.get("type", "allow") == "allow" and rule.get("host", "*") == "*"
        if not plain or kind not in ("TOPIC", "GROUP"):
            raise ValueError(f"{told(user)}: {rule} is no rule that meshctl makes")
        for one in rule["operations"]:
            operation: Any = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", one).upper()
            yield Acl(user["metadata"]["name"], kind, pattern, resource["name"], operation)


def _placed(found: Object) -> list[str]:
    """Strimzi's operators look into one namespace, for one cluster's label."""
    cluster = found["metadata"].get("labels", {}).get("strimzi.io/cluster")
    if namespace(found) == NAMESPACE and cluster == CLUSTER:
        return []
    return [f"{told(found)}: it is not of cluster {CLUSTER} in {NAMESPACE}"]


def _brokers(world: World) -> int:
    return sum(
        pool["spec"]["replicas"]
        for pool in world.of("KafkaNodePool", NAMESPACE)
        if "broker" in pool["spec"]["roles"]
    )
