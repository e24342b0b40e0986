"""Writer schemas in the registry: one subject per topic, changes compatible both ways for good."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from city_backbone.registration import Registration
from city_backbone.registry import canonical

from meshctl.check.resolution import problems
from meshctl.errors import ApplyError

COMPATIBILITY = "FULL_TRANSITIVE"
_CONTENT = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
_AT_ONCE = 8
_TIMEOUT = aiohttp.ClientTimeout(total=30)


async def apply(url: str, registrations: Iterable[Registration]) -> int:
    """Register each produced topic's schema; the number that were new.

    Raises ApplyError naming subject and reason when one is not compatible with what was
    registered before, or is no schema.
    """
    writers = {
        produced.subject: _writer(registration.events / produced.schema_file)
        for registration in registrations
        for produced in registration.produces
    }
    connections = aiohttp.TCPConnector(limit=_AT_ONCE)
    async with aiohttp.ClientSession(
        timeout=_TIMEOUT, headers=_CONTENT, connector=connections
    ) as session:
        outcomes = await asyncio.gather(
            *(_register(session, url, subject, schema) for subject, schema in writers.items()),
            return_exceptions=True,
        )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return sum(map(bool, outcomes))


def _writer(file: Path) -> str:
    try:
        return canonical(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ApplyError(f"{file}: expected an Avro schema in JSON: {error}") from error


async def _register(session: aiohttp.ClientSession, url: str, subject: str, schema: str) -> bool:
    """Whether the subject got a new version."""
    body = {"schema": schema, "schemaType": "AVRO"}
    status, _ = await _call(session, "POST", f"{url}/subjects/{subject}", body)
    if status == 200:
        await _set_compatibility(session, url, subject)
        return False
    known, latest = await _call(session, "GET", f"{url}/subjects/{subject}/versions/latest")
    if known == 200:
        await _set_compatibility(session, url, subject)
    status, answer = await _call(session, "POST", f"{url}/subjects/{subject}/versions", body)
    if status == 409 and known == 200:
        raise ApplyError(
            f"schema {subject}: not {COMPATIBILITY} compatible with its earlier versions:"
            f" {_difference(schema, latest) or _reason(answer)}; a break is a new topic version"
        )
    if status != 200:
        raise ApplyError(f"schema {subject}: refused by the registry: {_reason(answer)}")
    await _set_compatibility(session, url, subject)
    return True


def _difference(schema: str, latest: Mapping[str, Any]) -> str:
    """Why the schema and the latest version cannot read each other, as far as that says it."""
    ours, theirs = json.loads(schema), json.loads(latest["schema"])
    return "; ".join([*problems(ours, theirs), *problems(theirs, ours)])


async def _set_compatibility(session: aiohttp.ClientSession, url: str, subject: str) -> None:
    address = f"{url}/config/{subject}"
    status, answer = await _call(session, "PUT", address, {"compatibility": COMPATIBILITY})
    if status != 200:
        raise ApplyError(f"schema {subject}: its compatibility rule: {_reason(answer)}")


async def _call(
    session: aiohttp.ClientSession, method: str, url: str, body: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    try:
        async with session.request(method, url, json=body) as response:
            answer = await response.json(content_type=None)
            return response.status, answer if isinstance(answer, dict) else {}
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise ApplyError(f"the schema registry at {url} did not answer: {error!r}") from error


def _reason(answer: dict[str, Any]) -> str:
    text = str(answer.get("message") or "no reason given")
    return re.sub(r"^[\w.]+Exception: ", "", text)
