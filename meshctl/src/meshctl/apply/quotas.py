"""Broker quotas by user.

librdkafka's admin client has no quota requests and Kafka's own tools are not among its server
jars, so the two requests (KIP-546, version 0) are spelled here for aiokafka's admin client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int8, Int16, Int32, Schema, String
from city_backbone.registration import Registration

from meshctl.credentials import ADMIN
from meshctl.errors import ApplyError

Quotas = Mapping[str, Mapping[str, float]]
"""Limits by user, then by the broker's name of the limit."""

_TIMEOUT_MS = 30_000
_ANY_NAMED = 2
_TEXT = String("utf-8")
_ENTITY = ("entity", Array(("entity_type", _TEXT), ("entity_name", _TEXT)))
_VALUES = ("values", Array(("key", _TEXT), ("value", Float64)))
_CHANGES = ("ops", Array(("key", _TEXT), ("value", Float64), ("remove", Boolean)))


class _Described(Response):  # type: ignore[misc]
    API_KEY = 48
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", _TEXT),
        ("entries", Array(_ENTITY, _VALUES)),
    )


class _DescribeBody(RequestStruct):  # type: ignore[misc]
    API_KEY = 48
    API_VERSION = 0
    RESPONSE_TYPE = _Described
    SCHEMA = Schema(
        ("components", Array(("entity_type", _TEXT), ("match_type", Int8), ("match", _TEXT))),
        ("strict", Boolean),
    )


class _Altered(Response):  # type: ignore[misc]
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("entries", Array(("error_code", Int16), ("error_message", _TEXT), _ENTITY)),
    )


class _AlterBody(RequestStruct):  # type: ignore[misc]
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _Altered
    SCHEMA = Schema(("entries", Array(_ENTITY, _CHANGES)), ("validate_only", Boolean))


class _Describe(Request[_DescribeBody]):  # type: ignore[misc]
    API_KEY = 48

    def build(self, request_struct_class: type[_DescribeBody]) -> _DescribeBody:
        return request_struct_class([("user", _ANY_NAMED, None)], True)


class _Alter(Request[_AlterBody]):  # type: ignore[misc]
    API_KEY = 49

    def __init__(self, changes: Mapping[str, list[tuple[str, float, bool]]]) -> None:
        self._changes = changes

    def build(self, request_struct_class: type[_AlterBody]) -> _AlterBody:
        entries = [([("user", user)], changes) for user, changes in self._changes.items()]
        return request_struct_class(entries, False)


def declared(registrations: Iterable[Registration]) -> dict[str, dict[str, float]]:
    """The limits that registrations declare; a user without any is not in it."""
    return {
        registration.service: {
            key: float(value) for key, value in registration.quotas if value is not None
        }
        for registration in registrations
        if registration.quotas is not None
    }


async def apply(bootstrap: str, password: str, wanted: Quotas, ca_file: Path | None = None) -> int:
    """Make the broker's limits by user exactly these; how many were changed.

    Raises ApplyError.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap,
        security_protocol="SASL_SSL" if ca_file else "SASL_PLAINTEXT",
        ssl_context=create_ssl_context(cafile=str(ca_file)) if ca_file else None,
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=ADMIN,
        sasl_plain_password=password,
        request_timeout_ms=_TIMEOUT_MS,
    )
    try:
        await admin.start()
        existing = _described(await admin._send_request(_Describe()))
        steps = changes(existing, wanted)
        if steps:
            _require_altered(await admin._send_request(_Alter(steps)))
    except KafkaError as error:
        raise ApplyError(f"quotas: {error}") from error
    finally:
        await admin.close()
    return sum(len(of_user) for of_user in steps.values())


def changes(existing: Quotas, wanted: Quotas) -> dict[str, list[tuple[str, float, bool]]]:
    """Per user: (limit, value, whether to remove it)."""
    found: dict[str, list[tuple[str, float, bool]]] = {}
    for user in sorted({*existing, *wanted}):
        old, new = existing.get(user, {}), wanted.get(user, {})
        steps = [(key, value, False) for key, value in new.items() if old.get(key) != value]
        steps += [(key, 0.0, True) for key in old if key not in new]
        if steps:
            found[user] = steps
    return found


def _described(answer: Any) -> dict[str, dict[str, float]]:
    if answer.error_code:
        raise ApplyError(f"quotas: the broker says: {answer.error_message or answer.error_code}")
    found: dict[str, dict[str, float]] = {}
    for entity, values in answer.entries or []:
        if [kind for kind, _ in entity] == ["user"] and entity[0][1] is not None:
            found[entity[0][1]] = dict(values)
    return found


def _require_altered(answer: Any) -> None:
    for code, message, entity in answer.entries or []:
        if code:
            raise ApplyError(f"quotas of {entity[0][1]}: the broker says: {message or code}")
