"""The HTTP around it: keys, types, sizes, methods, and whatever else is sent."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from city_backbone.testing import Mesh
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from hypothesis import HealthCheck, given, settings

from ..unit.test_fhir_hostile import anything, mutated
from .fhir_world import KEY, SENDER, World, bundle, observation, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

_MIB = 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh, read_seconds=2.0, HEALTH_FHIR__MAX_ENTRIES="2") as world:
        yield world


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        f"Basic {KEY}",
        KEY,
        "Bearer wrong",
        f"Bearer {KEY}x",
        f"Bearer {KEY[1:]}",
    ],
)
async def test_without_the_key(world: World, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await world.send(b"{" * 10, headers=headers)
    assert answer.refusal == (401, "login", None)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_persons_token_is_not_the_departments_key(world: World) -> None:
    person = await world.enrol()
    headers = {"Authorization": f"Bearer {person.token}"}
    assert (await world.send(observation(person.token), headers=headers)).status == 401
    assert (await world.search(KEY)).status == 401


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/fhir+json", 201),
        ("application/json", 201),
        ("application/fhir+json; charset=UTF-8; fhirVersion=4.0", 201),
        ("application/fhir+json; charset=euc-kr", 415),
        ("application/fhir+xml", 415),
        ("text/plain", 415),
        ("nonsense", 415),
    ],
)
async def test_content_types(world: World, content_type: str, status: int) -> None:
    person = await world.enrol()
    answer = await world.send(
        observation(person.token), headers={**SENDER, "Content-Type": content_type}
    )
    assert answer.status == status


async def test_encodings_are_not_opened(world: World) -> None:
    for encoding, body in (("gzip", gzip.compress(b" " * _MIB)), ("gzip", b"x"), ("deflate", b"")):
        answer = await world.send(body, headers={**SENDER, "Content-Encoding": encoding})
        assert answer.status == 415


async def test_paths_and_methods(world: World) -> None:
    person = await world.enrol()
    assert (await world.send(observation(person.token), "/fhir/Observation")).status == 201
    one = bundle(observation(person.token))
    assert (await world.send(one, "/fhir/Observation")).refusal == (422, "not-supported", "Bundle")
    for method, path, status, allow in (
        ("GET", "/fhir", 405, "POST"),
        ("DELETE", "/fhir/Observation", 405, "GET, POST"),
        ("PUT", "/fhir/metadata", 405, "GET"),
        ("GET", "/fhir/Observation/1", 404, None),
        ("GET", "/fhir/Patient", 404, None),
        ("POST", "/fhir/Observation/_search", 404, None),
    ):
        answer = await world.call(method, path, headers=SENDER)
        assert answer.refusal == (status, "not-supported", None)
        assert answer.headers.get("Allow") == allow


async def test_metadata(world: World) -> None:
    answer = await world.call("GET", "/fhir/metadata")
    assert answer.status == 200
    CapabilityStatement.model_validate(answer.resource)
    assert "1 to 2 entries" in str(answer.resource)


async def test_more_entries_than_are_set(world: World) -> None:
    person = await world.enrol()
    sent = bundle(*[observation(person.token) for _ in range(3)])
    assert (await world.send(sent)).refusal == (422, "too-costly", "Bundle.entry")


async def test_sizes(world: World) -> None:
    person = await world.enrol()
    body = json.dumps(observation(person.token)).encode()
    assert (await world.send(body.ljust(_MIB))).status == 201
    assert (await world.send(body.ljust(_MIB + 1))).refusal == (413, "too-long", None)
    for content in (b"[" * _MIB, b'{"a":' * (_MIB // 5), b"9" * _MIB, b"\xff" * _MIB):
        assert (await world.send(content)).refusal == (400, "structure", None)


async def raw(world: World, head: str, body: bytes) -> bytes:
    """The head of the answer; what is not told of is refused before it is read to its end."""
    url = urlsplit(world.service.http_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        f"POST /fhir HTTP/1.1\r\nHost: health\r\nConnection: close\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n{head}\r\n\r\n".encode()
        + body
    )
    await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer


async def test_a_body_that_does_not_come(world: World) -> None:
    assert (await raw(world, "Content-Length: 100", b"{")).startswith(b"HTTP/1.1 408")


async def test_what_http_does_not_allow(world: World) -> None:
    """Such a request is refused by the server itself, before any route."""
    chunked = b"2\r\n{}\r\nzz\r\n{}\r\n0\r\n\r\n"
    answer = await raw(world, "Transfer-Encoding: chunked", chunked)
    assert b" 400 " in answer.partition(b"\r\n")[0]


async def test_a_key_that_is_no_text(world: World) -> None:
    for authorization in ("Bearer \udcff\udced", "Bearer ", "Bearer 김복순"):
        answer = await world.send(b"{}", headers={"Authorization": authorization})
        assert answer.refusal == (401, "login", None)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(resource=mutated() | anything)
async def test_whatever_is_sent(world: World, resource: Any) -> None:
    answer = await world.send(resource)
    assert answer.status in (200, 201, 400, 403, 404, 409, 413, 422)


async def test_without_a_key_nothing_is_taken_and_people_still_read(mesh: Mesh) -> None:
    async with opened(mesh, key=None) as world:
        person = await world.enrol()
        assert (await world.send(observation(person.token))).refusal == (503, "not-supported", None)
        assert (await world.search(person.token)).status == 200
