"""Access rules: the least each principal needs, as a pure function of the registrations.

- a topic's owner may write to it and describe it; nobody else writes;
- a declared reader may read and describe it;
- a principal may use the consumer groups ``<name>`` and ``<name>-*``;
- a service may write and read its dead-letter topics;
- a service may make and use topics called ``<name>-*``, for its stream processor's state.

An idempotent producer needs no rule of its own: the right to write to some topic implies it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from city_backbone.registration import Registration
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from meshctl.credentials import REGISTRY
from meshctl.kafka import collect

Operation = Literal["READ", "WRITE", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"]


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One thing a principal is allowed, from any host."""

    principal: str
    resource: Literal["TOPIC", "GROUP"]
    pattern: Literal["LITERAL", "PREFIXED"]
    name: str
    operation: Operation


def declared(registrations: Iterable[Registration]) -> frozenset[Acl]:
    """Every rule that these registrations ask for."""
    rules: set[Acl] = set()
    for registration in registrations:
        name = registration.service
        for produced in registration.produces:
            rules |= _topic(name, produced.topic, "WRITE", "DESCRIBE")
        for consumed in registration.consumes:
            rules |= _topic(name, consumed.topic, "READ", "DESCRIBE")
        for dead_letters in registration.dead_letter_topics().values():
            rules |= _topic(name, dead_letters, "WRITE", "READ", "DESCRIBE")
        if registration.consumes:
            rules.add(Acl(name, "GROUP", "LITERAL", registration.group, "READ"))
            rules.add(Acl(name, "GROUP", "PREFIXED", f"{registration.group}-", "READ"))
        if not registration.is_client:
            operations: tuple[Operation, ...] = ("CREATE", "DESCRIBE", "READ", "WRITE")
            rules |= {Acl(name, "TOPIC", "PREFIXED", f"{name}-", one) for one in operations}
    return frozenset(rules)


def of_registry() -> frozenset[Acl]:
    """What the schema registry needs: its own topics and groups, all called ``registry-*``."""
    operations: tuple[Operation, ...] = ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE")
    topics = {Acl(REGISTRY, "TOPIC", "PREFIXED", "registry-", one) for one in operations}
    return frozenset(topics | {Acl(REGISTRY, "GROUP", "PREFIXED", "registry-", "READ")})


def apply(admin: AdminClient, wanted: frozenset[Acl], managed: Iterable[str]) -> tuple[int, int]:
    """Make the rules of the managed principals exactly these; how many were added and removed.

    Raises ApplyError.
    """
    names = set(managed)
    bindings = {_binding(rule) for rule in wanted}
    existing = collect("access rules", {"": admin.describe_acls(_everything())})[""]
    ours = {rule for rule in existing if rule.principal.removeprefix("User:") in names}
    added, removed = bindings - ours, ours - bindings
    if added:
        collect("access rule", admin.create_acls(list(added)))
    if removed:
        collect("access rule", admin.delete_acls([_filter(rule) for rule in removed]))
    return len(added), len(removed)


def _topic(principal: str, topic: str, *operations: Operation) -> set[Acl]:
    return {Acl(principal, "TOPIC", "LITERAL", topic, operation) for operation in operations}


def _binding(rule: Acl) -> AclBinding:
    return AclBinding(
        ResourceType[rule.resource],
        rule.name,
        ResourcePatternType[rule.pattern],
        f"User:{rule.principal}",
        "*",
        AclOperation[rule.operation],
        AclPermissionType.ALLOW,
    )


def _everything() -> AclBindingFilter:
    # The client's types forbid what its documentation tells to give: None for any name.
    any_name: Any = None
    return AclBindingFilter(
        ResourceType.ANY,
        any_name,
        ResourcePatternType.ANY,
        any_name,
        any_name,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


def _filter(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )
