"""What only the real broker and database know: the access rules that `meshctl apply` makes, and the
names of settings that no schema lists."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import psycopg
from city_backbone.registration import load_all
from city_backbone.testing import Mesh
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)
from meshctl.apply.acls import Acl
from meshctl.credentials import ADMIN
from meshctl.kafka import admin, collect
from meshctl.state import State, read_json

from . import kafka
from .manifests import ROOT, World

# The mesh of the tests registers it too, and Kubernetes never does.
PROBE = ROOT / "backbone" / "tests" / "departments"


def broker(mesh: Mesh) -> AdminClient:
    """The mesh's broker, as its admin."""
    state = State(mesh.state)
    ports, secrets = read_json(state.ports), read_json(state.secrets)
    assert ports is not None
    assert secrets is not None
    return admin(f"127.0.0.1:{ports['kafka']}", ADMIN, secrets["kafka"][ADMIN])


def on_broker(client: AdminClient) -> frozenset[Acl]:
    """Every access rule of the broker. Fails for one that allows more than an Acl can say."""
    any_name: Any = None
    everything = AclBindingFilter(
        ResourceType.ANY,
        any_name,
        ResourcePatternType.ANY,
        any_name,
        any_name,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    return frozenset(
        _rule(binding) for binding in collect("rules", {"": client.describe_acls(everything)})[""]
    )


def _rule(binding: Any) -> Acl:
    assert binding.permission_type == AclPermissionType.ALLOW
    assert binding.host == "*"
    kind, pattern = binding.restype.name, binding.resource_pattern_type.name
    principal = binding.principal.removeprefix("User:")
    return Acl(principal, kind, pattern, binding.name, binding.operation.name)


async def test_a_laptop_and_the_cluster_allow_the_same(mesh: Mesh, world: World) -> None:
    probes = {one.service for one in load_all(sorted(PROBE.glob("*/service.yaml")))}
    found = await asyncio.to_thread(on_broker, broker(mesh))
    assert {rule for rule in found if rule.principal not in probes} == kafka.rules(world)


async def test_the_brokers_settings_are_settings_of_kafka(mesh: Mesh, world: World) -> None:
    resource = ConfigResource(ResourceType.BROKER, "1")

    def settings() -> Iterable[str]:
        client = broker(mesh)
        described = collect("settings", client.describe_configs([resource]))
        return {name for entries in described.values() for name in entries}

    known = await asyncio.to_thread(settings)
    given = world.find("Kafka", "city")["spec"]["kafka"]["config"]
    assert set(given) - set(known) == set()


async def test_the_databases_settings_are_settings_of_postgresql(mesh: Mesh, world: World) -> None:
    dsn = mesh.environment("cameras")["CAMERAS_DATABASE__DSN"]
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        rows = await (await connection.execute("select name from pg_settings")).fetchall()
    known = {name for (name,) in rows}
    for cluster in world.of("Cluster"):
        given = cluster["spec"].get("postgresql", {}).get("parameters", {})
        assert {name for name in given if "." not in name} - known == set(), cluster["metadata"]
