"""Passwords and keys of the stack: made once, kept in ``secrets.json``, for its owner only."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from meshctl.catalogue import Catalogue
from meshctl.state import State, read_json, write_json

ADMIN = "admin"
REGISTRY = "registry"
POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Kafka passwords by user, PostgreSQL passwords by role, the cluster's id, and the services'
    own secrets by service and setting: 32 random bytes each, base64."""

    kafka: dict[str, str]
    postgres: dict[str, str]
    cluster_id: str
    services: dict[str, dict[str, str]] = field(default_factory=dict)


def ensure(
    state: State,
    users: Iterable[str],
    roles: Iterable[str],
    settings: Mapping[str, Iterable[str]] | None = None,
) -> Credentials:
    """The stored credentials, with new ones for users, roles and services' settings that had none.

    What was made is kept, also for what is no longer asked for: a lost key cannot be made again.
    """
    with _one_at_a_time(state):
        stored = read_json(state.secrets)
        kafka = dict(stored.get("kafka", {}))
        postgres = dict(stored.get("postgres", {}))
        services = {name: dict(own) for name, own in stored.get("services", {}).items()}
        for name in (ADMIN, REGISTRY, *users):
            kafka.setdefault(name, secrets.token_urlsafe(24))
        for name in (POSTGRES, *roles):
            postgres.setdefault(name, secrets.token_urlsafe(24))
        for name, wanted in (settings or {}).items():
            for setting in wanted:
                services.setdefault(name, {}).setdefault(setting, _key())
        cluster_id = stored.get("cluster_id") or _cluster_id()
        content = {
            "kafka": kafka,
            "postgres": postgres,
            "cluster_id": cluster_id,
            "services": services,
        }
        if content != stored:
            write_json(state.secrets, content, mode=0o600)
    return Credentials(kafka, postgres, cluster_id, services)


def of_everyone(state: State, known: Catalogue) -> Credentials:
    """Those of everyone registered."""
    return ensure(
        state,
        users=[registration.service for registration in known],
        roles=[registration.service for registration in known.services],
        settings={registration.service: registration.secrets for registration in known},
    )


def stored(state: State) -> Credentials:
    """Those that were made before, as they are."""
    kept = read_json(state.secrets)
    return Credentials(
        kept.get("kafka", {}),
        kept.get("postgres", {}),
        kept.get("cluster_id", ""),
        kept.get("services", {}),
    )


@contextmanager
def _one_at_a_time(state: State) -> Iterator[None]:
    """Two commands at once must not make two keys of which one is lost."""
    folder = os.open(state.folder, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _key() -> str:
    """32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _cluster_id() -> str:
    """A Kafka cluster id: a UUID in URL-safe base64 that does not start with a dash."""
    while True:
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not identity.startswith("-"):
            return identity
