"""SCRAM users: one per principal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from meshctl.kafka import collect

_ITERATIONS = 4096


def apply(admin: AdminClient, names: Iterable[str], passwords: Mapping[str, str]) -> None:
    """Give each user its password. Raises ApplyError."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    upserts: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(name, info, passwords[name].encode()) for name in sorted(names)
    ]
    collect("user", admin.alter_user_scram_credentials(upserts))
