"""Streams have bounds: in silence, in number of messages and of streams, and the service's end."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import grpc.aio
import pytest
import pytest_asyncio
from city_backbone.testing import Mesh, eventually
from health.kiosks.rpc import MAX_MESSAGES
from health.measuring.measurement import Code

from .kiosks_world import Line, World, begin, end, measured, opened, reading, reason

pytestmark = pytest.mark.asyncio(loop_scope="module")

PULSE = Code.HEART_RATE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tired(mesh: Mesh) -> AsyncIterator[World]:
    """One that soon has waited long enough."""
    async with opened(mesh, idle_seconds=5.0) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def narrow(mesh: Mesh) -> AsyncIterator[World]:
    """One that carries four calls at once, three of them sessions."""
    async with opened(mesh, HEALTH_GRPC__MAX_CONCURRENT_CALLS="4") as world:
        yield world


async def broken(line: Line) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await line.hear()
    return reason(ended.value)


async def test_silence_ends_a_stream_and_not_the_session(tired: World) -> None:
    kiosk_id, person, session_id = await tired.kiosk(), await tired.enrol(), uuid4()
    silent = tired.line()
    await silent.say(begin(session_id, kiosk_id, person.token))
    await silent.say(measured(1, reading(PULSE, 70)))
    assert await broken(silent) == "ABORTED:IDLE"
    line = tired.line()
    assert (await line.say(begin(session_id, kiosk_id, person.token))).stored_sequence == 1
    await line.say(measured(2, reading(PULSE, 70)))
    assert (await line.say(end(2))).ended
    await line.close()


async def test_a_stream_that_never_begins_is_ended_too(tired: World) -> None:
    line = tired.line()
    assert await broken(line) == "ABORTED:IDLE"


async def test_a_stream_does_not_go_on_for_ever(narrow: World) -> None:
    kiosk_id, person, session_id = await narrow.kiosk(), await narrow.enrol(), uuid4()
    again = begin(session_id, kiosk_id, person.token)
    line = narrow.line()
    for _ in range(MAX_MESSAGES):
        await line.say(again)
    assert await broken(line) == "INVALID_ARGUMENT:step"


async def test_sessions_leave_room_for_other_calls(narrow: World) -> None:
    kiosk_id, person = await narrow.kiosk(), await narrow.enrol()
    lines = [narrow.line() for _ in range(3)]
    for line in lines:
        await line.say(begin(uuid4(), kiosk_id, person.token))
    waiting = begin(uuid4(), kiosk_id, person.token)
    assert await narrow.refused(waiting) == "UNAVAILABLE:UNAVAILABLE"
    assert await narrow.kiosk()  # other calls are carried
    for line in lines:
        line.cut()

    async def carried() -> bool:
        line = narrow.line()
        try:
            await line.say(waiting)
        except grpc.aio.AioRpcError:
            return False
        await line.close()
        return True

    await eventually(carried)


async def test_when_the_service_stops_streams_end_at_once(mesh: Mesh) -> None:
    async with opened(mesh) as world:
        line = world.line()
        await line.say(begin(uuid4(), await world.kiosk(), (await world.enrol()).token))
        world.service.backbone.stopping.set()
        async with asyncio.timeout(5):
            assert await broken(line) == "UNAVAILABLE:UNAVAILABLE"
