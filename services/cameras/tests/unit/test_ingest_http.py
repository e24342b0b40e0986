"""The door for cameras: who comes in, how much, how long, and what is answered."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import ClientSession, encode_basic_auth, web
from aiohttp.test_utils import TestServer
from cameras.ingest.http import PATH, NotifyEndpoint
from cameras.ingest.mapping import load
from cameras.ingest.notification import Notification, Unusable
from cameras.ingest.notifications import Notifications
from city_backbone.errors import Transient
from opentelemetry.metrics import NoOpMeterProvider
from pydantic import SecretStr

KEY = "sesame-open-up-0123456789"
SAMPLE = (Path(__file__).parents[1] / "onvif" / "bosch_loitering.xml").read_bytes()


class FakeNotifications:
    def __init__(self) -> None:
        self.taken: list[tuple[str, Sequence[Notification | Unusable]]] = []
        self.away = False
        self.namespaces = dict(load(None).namespaces)

    async def take(self, camera_id: str, messages: Sequence[Notification | Unusable]) -> None:
        if self.away:
            raise Transient("away")
        self.taken.append((camera_id, messages))


class Door:
    def __init__(self, session: ClientSession, url: str, behind: FakeNotifications) -> None:
        self.session = session
        self.url = url
        self.behind = behind

    async def post(
        self, query: str = f"camera_id=cam-1&key={KEY}", body: Any = SAMPLE, **options: Any
    ) -> tuple[int, str, str]:
        async with self.session.post(f"{self.url}?{query}", data=body, **options) as response:
            return response.status, response.content_type, await response.text()


@asynccontextmanager
async def door(key: str | None = KEY, read_seconds: float = 10.0) -> AsyncIterator[Door]:
    behind = FakeNotifications()
    endpoint = NotifyEndpoint(
        cast(Notifications, behind),
        None if key is None else SecretStr(key),
        4096,
        read_seconds,
        NoOpMeterProvider().get_meter("cameras"),
    )
    application = web.Application()
    application.add_routes([web.post(PATH, endpoint.notify)])
    async with TestServer(application) as server, ClientSession() as session:
        yield Door(session, str(server.make_url(PATH)), behind)


async def test_a_camera_with_the_key_is_taken_whatever_it_calls_its_content() -> None:
    async with door() as way:
        for content_type in ("application/soap+xml; charset=utf-8", "text/xml", "text/plain"):
            status, _, text = await way.post(headers={"Content-Type": content_type})
            assert (status, text) == (200, "")
        status, _, _ = await way.post(
            "camera_id=cam-2", headers={"Authorization": encode_basic_auth("admin", KEY)}
        )
        assert status == 200
        assert [camera for camera, _ in way.behind.taken] == ["cam-1"] * 3 + ["cam-2"]


async def test_without_a_key_in_the_settings_nobody_is_taken() -> None:
    async with door(key=None) as way:
        status, _, text = await way.post()
        assert status == 503
        assert "CAMERAS_INGEST__ONVIF_KEY" in text
        assert way.behind.taken == []


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("camera_id=cam-1", {}),
        ("camera_id=cam-1&key=", {}),
        ("camera_id=cam-1&key=wrong", {}),
        (f"camera_id=cam-1&key={KEY}x", {}),
        ("camera_id=cam-1&key=%EC%97%B4%EB%A0%A4", {}),
        ("camera_id=cam-1", {"Authorization": "Basic !!!"}),
        ("camera_id=cam-1", {"Authorization": f"Bearer {KEY}"}),
        ("camera_id=cam-1", {"Authorization": encode_basic_auth(KEY, "wrong")}),
    ],
)
async def test_without_the_key_there_is_no_way_in(query: str, headers: dict[str, str]) -> None:
    async with door() as way:
        status, content_type, text = await way.post(query, headers=headers)
        assert (status, content_type) == (401, "application/soap+xml")
        assert "expected the city's key" in text
        assert way.behind.taken == []


async def test_a_camera_that_does_not_say_which_it_is_is_refused() -> None:
    async with door() as way:
        for query in (f"key={KEY}", f"key={KEY}&camera_id=", f"key={KEY}&camera_id={'x' * 65}"):
            status, _, text = await way.post(query)
            assert status == 400
            assert "camera_id: expected" in text


async def test_too_large_is_413_announced_or_not() -> None:
    async def dribble() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 1_000

    async with door() as way:
        for body in (b" " * 5_000, dribble()):
            status, _, text = await way.post(body=body)
            assert status == 413
            assert "at most 4096 bytes" in text
        assert way.behind.taken == []


async def test_a_body_that_does_not_come_is_408() -> None:
    never = asyncio.Event()

    async def stall() -> AsyncIterator[bytes]:
        yield b"<"
        await never.wait()

    async with door(read_seconds=0.05) as way:
        status, _, text = await way.post(body=stall())
        assert status == 408
        assert "within 0.05 s" in text


async def test_malformed_is_400_and_a_fault_that_names_it() -> None:
    async with door() as way:
        status, content_type, text = await way.post(body=b"<Envelope")
        assert (status, content_type) == (400, "application/soap+xml")
        assert "e:Sender" in text
        assert "not well-formed XML" in text
        assert way.behind.taken == []


async def test_while_broker_or_database_are_away_it_may_come_again() -> None:
    async with door() as way:
        way.behind.away = True
        status, _, text = await way.post()
        assert status == 503
        assert "e:Receiver" in text
