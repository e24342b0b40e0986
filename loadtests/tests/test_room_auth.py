"""AUTH and session keys."""

from typing import Any

import pytest


@pytest.mark.asyncio
async def test_the_right_key_gets_a_session_key_that_opens_event(peer: Any, body: Any) -> None:
    assert peer.session_key
    assert (await peer.event(body()))["result"] == "0"
    assert (await peer.get("/control/counts"))["auth"] == 1


@pytest.mark.asyncio
async def test_a_wrong_key_is_refused_with_the_reason(rooms: Any) -> None:
    async with rooms.open() as (room, peer):
        answer = await peer.auth("wrong")
        assert answer == {
            "startTag": "$DA",
            "endTag": "$DB",
            "finishTag": "$DF",
            "result": "1",
            "message": "body.apiKey: not the key of this room",
        }
        assert room.counts().auth == 0
        assert room.counts().auth_refused == 1


@pytest.mark.asyncio
async def test_an_event_without_a_session_is_refused_and_leaves_no_effect(
    rooms: Any, body: Any
) -> None:
    async with rooms.open() as (room, peer):
        peer.session_key = "made up"
        answer = await peer.event(body())
        assert answer["result"] == "1"
        assert answer["message"].startswith("rrKey:")
        assert room.counts().accepted == 0
        assert room.counts().refused == 1


@pytest.mark.asyncio
async def test_a_session_ends_after_its_seconds(rooms: Any, body: Any) -> None:
    async with rooms.open(session_seconds=60) as (_, peer):
        await peer.auth()
        rooms.clock.now = 59.9
        assert (await peer.event(body()))["result"] == "0"
        rooms.clock.now = 60
        assert (await peer.event(body(status="40")))["result"] == "1"
        await peer.auth()
        assert (await peer.event(body(status="40")))["result"] == "0"


@pytest.mark.asyncio
async def test_expired_sessions_need_a_new_auth(peer: Any, body: Any) -> None:
    assert await peer.control("/expire-sessions") == {"expired": 1}
    assert (await peer.event(body()))["result"] == "1"
    await peer.auth()
    assert (await peer.event(body()))["result"] == "0"


@pytest.mark.asyncio
async def test_the_oldest_session_goes_when_there_are_too_many(rooms: Any, body: Any) -> None:
    async with rooms.open(max_sessions=2) as (_, peer):
        await peer.auth()
        first = peer.session_key
        await peer.auth()
        await peer.auth()
        assert (await peer.event(body()))["result"] == "0"
        peer.session_key = first
        assert (await peer.event(body()))["result"] == "1"
