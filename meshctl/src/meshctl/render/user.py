"""The KafkaUser of a principal: its login, exactly the rights that are declared, its quotas."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby

from city_backbone.registration import Registration

from meshctl.apply import acls
from meshctl.apply.acls import Acl
from meshctl.render import names
from meshctl.render.names import Object

_RESOURCES = {"TOPIC": "topic", "GROUP": "group"}
_PATTERNS = {"LITERAL": "literal", "PREFIXED": "prefix"}


def user(registration: Registration) -> Object:
    """The same rules as `meshctl up` makes: both come from meshctl.apply.acls."""
    name = registration.service
    password = {"secretKeyRef": {"name": password_secret(name), "key": "password"}}
    limits = quotas(registration)
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": names.metadata(
            name, names.KAFKA, {"strimzi.io/cluster": names.CLUSTER, **names.labels(name)}
        ),
        "spec": {
            "authentication": {"type": "scram-sha-512", "password": {"valueFrom": password}},
            "authorization": {"type": "simple", "acls": rules(acls.declared([registration]))},
            **({"quotas": limits} if limits else {}),
        },
    }


def password_secret(principal: str) -> str:
    """The Secret beside the KafkaUser that its password is read from."""
    return f"{principal}-password"


def rules(declared: Iterable[Acl]) -> list[Object]:
    """Strimzi's spelling, one entry per resource."""

    def resource(rule: Acl) -> tuple[str, str, str]:
        return _RESOURCES[rule.resource], rule.name, _PATTERNS[rule.pattern]

    return [
        {
            "resource": {"type": kind, "name": name, "patternType": pattern},
            "operations": sorted(_operation(rule.operation) for rule in same),
        }
        for (kind, name, pattern), same in groupby(sorted(declared, key=resource), resource)
    ]


def quotas(registration: Registration) -> Object:
    """Limits of the department on each broker."""
    limits = registration.quotas
    if limits is None:
        return {}
    found = {
        "producerByteRate": limits.producer_byte_rate,
        "consumerByteRate": limits.consumer_byte_rate,
        # Strimzi takes whole percents.
        "requestPercentage": math.ceil(limits.request_percentage)
        if limits.request_percentage is not None
        else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _operation(operation: str) -> str:
    """DESCRIBE_CONFIGS as DescribeConfigs."""
    return "".join(word.capitalize() for word in operation.split("_"))
