"""The room told to be down or slow, and its own calls."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

EVENT = "/linkHttp/recvEvent.json"


@pytest.mark.asyncio
async def test_down_answers_the_status_and_applies_nothing(
    peer: Any, body: Any, envelope: Any
) -> None:
    fields = envelope("EVENT", peer.session_key, body())
    await peer.control(mode="down", status=502)
    async with peer.http.post(peer.url + EVENT, json=fields) as response:
        assert response.status == 502
    async with peer.http.post(peer.url + "/api/getAuth.json", json=fields) as response:
        assert response.status == 502
    counts = await peer.get("/control/counts")
    assert (counts["accepted"], counts["refused"]) == (0, 0)
    await peer.control(mode="up")
    assert (await peer.event(body()))["message"] == "received"


@pytest.mark.asyncio
async def test_down_can_close_the_connection(peer: Any) -> None:
    await peer.control(mode="down", close=True)
    with pytest.raises(aiohttp.ClientError):
        await peer.post(EVENT, {})
    assert (await peer.get("/control/counts"))["accepted"] == 0


@pytest.mark.asyncio
async def test_a_timed_fault_ends_by_itself(rooms: Any, body: Any) -> None:
    async with rooms.open() as (_, peer):
        await peer.auth()
        await peer.control(mode="down", for_seconds=3600)
        async with peer.http.post(peer.url + EVENT) as response:
            assert response.status == 503
        rooms.clock.now = 3600
        peer.session_key = (await peer.auth())["message"]
        assert (await peer.event(body()))["result"] == "0"


@pytest.mark.asyncio
async def test_slow_applies_before_it_answers(peer: Any, body: Any, envelope: Any) -> None:
    await peer.control(mode="slow", delay_seconds=3600)
    fields = envelope("EVENT", peer.session_key, body())
    waiting = asyncio.create_task(peer.post(EVENT, fields))
    async with asyncio.timeout(10):
        while (await peer.get("/control/counts"))["effects"] == 0:
            pass
    assert not waiting.done()
    waiting.cancel()
    await peer.control(mode="slow", delay_seconds=0)
    assert (await peer.event(body()))["message"] == "already received"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("order", "named"),
    [
        ({"mode": "sideways"}, "mode"),
        ({"mode": "slow", "delay_seconds": -1}, "delay_seconds"),
        ({"mode": "down", "status": 200}, "status"),
        ({"mode": "down", "typo": 1}, "typo"),
    ],
)
async def test_a_wrong_order_is_named_and_changes_nothing(
    peer: Any, body: Any, order: Any, named: str
) -> None:
    async with peer.http.post(peer.url + "/control", json=order) as response:
        assert response.status == 400
        assert (await response.json())["error"].startswith(f"{named}: ")
    assert (await peer.event(body()))["result"] == "0"


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["json", "form"])
async def test_a_room_sends_what_another_room_takes(
    rooms: Any, tmp_path: Any, body: Any, encoding: str
) -> None:
    async with (
        rooms.open() as (target, _),
        rooms.open(kind="119", record=tmp_path / "119.jsonl") as (_, sender),
    ):
        key = target.settings.api_key.get_secret_value()
        report = await sender.control(
            "/send",
            target=target.url,
            api_key=key,
            encoding=encoding,
            event_path=EVENT,
            body=body(),
        )
        assert report["auth"]["answer"]["result"] == "0"
        assert report["event"]["answer"]["message"] == "received"
        assert target.counts().effects == 1
        refused = await sender.control("/send", target=target.url, api_key="no", body=body())
        assert refused["auth"]["answer"]["result"] == "1"
        assert refused["event"] is None


async def _never(request: web.Request) -> web.Response:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def _text(request: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest.mark.asyncio
@pytest.mark.parametrize(("handler", "status"), [(_never, 504), (_text, 502), (None, 502)])
async def test_a_peer_that_does_not_answer_rightly_is_reported(
    rooms: Any, body: Any, handler: Any, status: int
) -> None:
    app = web.Application()
    if handler is not None:
        app.router.add_post("/api/getAuth.json", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with rooms.open(send_seconds=0.2) as (_, peer):
            order = {"target": target, "api_key": "k", "body": body()}
            async with peer.http.post(peer.url + "/control/send", json=order) as response:
                assert response.status == status
                assert target in (await response.json())["error"]
    finally:
        await runner.cleanup()
