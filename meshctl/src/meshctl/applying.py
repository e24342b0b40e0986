"""Making broker, registry, database and files agree with the registrations. Idempotent."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable

from meshctl import kafka, policy
from meshctl.apply import acls, databases, quotas, schemas, topics, users
from meshctl.catalogue import Catalogue
from meshctl.credentials import ADMIN, REGISTRY, Credentials
from meshctl.errors import MeshctlError
from meshctl.pki import Authority
from meshctl.places import Places, registry_url
from meshctl.state import State, write_json

Say = Callable[[str], None]


async def everything(
    catalogue: Catalogue,
    places: Places,
    credentials: Credentials,
    say: Say,
    *,
    with_schemas: bool = True,
) -> None:
    """To parts that run: database, broker, registry. Raises ApplyError."""
    await asyncio.gather(
        database(catalogue, places, credentials), broker(catalogue, places, credentials, say)
    )
    if with_schemas:
        await registry(catalogue, places, say)


async def database(catalogue: Catalogue, places: Places, credentials: Credentials) -> None:
    """A role and a database per service. Raises ApplyError."""
    names = [registration.service for registration in catalogue.services]
    await databases.apply(places.postgres, names, credentials.postgres)


async def broker(catalogue: Catalogue, places: Places, credentials: Credentials, say: Say) -> None:
    """Users, topics, access rules and quotas. Raises ApplyError."""
    password = credentials.kafka[ADMIN]
    admin = kafka.admin(places.kafka, ADMIN, password, places.kafka_ca)

    def blocking() -> None:
        names = {registration.service for registration in catalogue}
        users.apply(admin, names | {REGISTRY}, credentials.kafka)
        specs = topics.declared(catalogue)
        rules = acls.declared(catalogue) | acls.of_registry()
        touched = topics.apply(admin, specs)
        managed = set(credentials.kafka) - {ADMIN}
        added, removed = acls.apply(admin, rules, managed)
        say(
            f"kafka: {len(names)} principals, {len(specs)} topics ({touched} changed),"
            f" {len(rules)} access rules ({added} added, {removed} removed)"
        )

    await asyncio.to_thread(blocking)
    declared = quotas.declared(catalogue)
    changed = await quotas.apply(places.kafka, password, declared, places.kafka_ca)
    if changed:
        say(f"kafka: {changed} quotas changed")


async def registry(catalogue: Catalogue, places: Places, say: Say) -> None:
    """Schemas and their compatibility rule. Raises ApplyError."""
    new = await schemas.apply(registry_url(places), catalogue)
    total = sum(len(registration.produces) for registration in catalogue)
    say(f"registry: {total} schemas ({new} new)")


def files(catalogue: Catalogue, state: State) -> None:
    """Certificates, call policies, and the folders of the services' own."""
    authority = Authority(state.ca)
    for registration in catalogue:
        authority.ensure(registration.service)
    for service in catalogue.services:
        content = policy.for_service(service, catalogue)
        write_json(state.policies / f"{service.service}.json", content)
        for setting in service.folders:
            state.folder_of(service.service, setting).mkdir(0o700, parents=True, exist_ok=True)


def require_space(state: State) -> None:
    """Raise MeshctlError when the disk is nearly full: the broker would lose what it is given."""
    least = 512 * 1024 * 1024
    if shutil.disk_usage(state.folder).free < least:
        raise MeshctlError(f"{state.folder}: less than {least // 2**20} MiB is free on this disk")
