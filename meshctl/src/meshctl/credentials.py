"""Passwords of the stack: made once, kept in ``secrets.json``, readable by its owner only."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from meshctl.state import State, read_json, write_json

ADMIN = "admin"
REGISTRY = "registry"
POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Kafka passwords by user, PostgreSQL passwords by role, and the cluster's id."""

    kafka: dict[str, str]
    postgres: dict[str, str]
    cluster_id: str


def ensure(state: State, users: Iterable[str], roles: Iterable[str]) -> Credentials:
    """The stored credentials, with new ones for users and roles that had none."""
    stored = read_json(state.secrets)
    kafka = dict(stored.get("kafka", {}))
    postgres = dict(stored.get("postgres", {}))
    for name in (ADMIN, REGISTRY, *users):
        kafka.setdefault(name, secrets.token_urlsafe(24))
    for name in (POSTGRES, *roles):
        postgres.setdefault(name, secrets.token_urlsafe(24))
    cluster_id = stored.get("cluster_id") or _cluster_id()
    content = {"kafka": kafka, "postgres": postgres, "cluster_id": cluster_id}
    if content != stored:
        write_json(state.secrets, content, mode=0o600)
    return Credentials(kafka, postgres, cluster_id)


def _cluster_id() -> str:
    """A Kafka cluster id: a UUID in URL-safe base64 that does not start with a dash."""
    while True:
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not identity.startswith("-"):
            return identity
