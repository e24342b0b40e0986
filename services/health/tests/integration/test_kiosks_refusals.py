"""What is refused at sessions, by what name, and that nothing comes of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc.aio
import pytest
import pytest_asyncio
from city.health.v1 import kiosk_pb2 as pb
from city_backbone.testing import Mesh
from google.protobuf.timestamp_pb2 import Timestamp
from health.clock import utc_now
from health.kiosks.session import MAX_MEASUREMENTS
from health.measuring.measurement import Code, Measurement
from health.messages import timestamp
from health.people.withdrawal import Step

from .kiosks_world import (
    DEVICES,
    Enrolled,
    World,
    begin,
    end,
    kiosk_message,
    measured,
    opened,
    reading,
    reason,
    withdrawals,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

BP, SPO2, TEMPERATURE, PULSE, BMI, GLUCOSE = Code


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kiosk_id(world: World) -> str:
    return await world.kiosk()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def person(world: World) -> Enrolled:
    return await world.enrol()


def at(**ago: float) -> Timestamp:
    moment = timestamp(utc_now() - timedelta(**ago))
    assert moment is not None
    return moment


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"session_id": "1"}, "INVALID_ARGUMENT:begin.session_id"),
        ({"kiosk_id": "K 1"}, "INVALID_ARGUMENT:begin.kiosk_id"),
        ({"kiosk_id": "kiosk-of-nobody"}, "NOT_FOUND:NOT_FOUND"),
        ({"person_token": "x"}, "PERMISSION_DENIED:UNKNOWN_TOKEN"),
        ({"began_at": None}, "INVALID_ARGUMENT:begin.began_at"),
        ({"began_at": Timestamp(seconds=10**12)}, "INVALID_ARGUMENT:begin.began_at"),
        ({"began_at": at(days=31)}, "INVALID_ARGUMENT:begin.began_at"),
        ({"began_at": at(days=-1)}, "INVALID_ARGUMENT:begin.began_at"),
    ],
)
async def test_a_begin(
    world: World, kiosk_id: str, person: Enrolled, changes: dict[str, Any], said: str
) -> None:
    session_id = uuid4()
    request = begin(session_id, kiosk_id, person.token, changes)
    assert await world.refused(request) == said
    assert await world.rows("select from kiosk_session where session_id = %s", session_id) == []


@pytest.mark.parametrize(
    ("measurement", "field"),
    [
        (reading(PULSE, 301), "value"),
        (reading(BP, 120), "diastolic"),
        (reading(BP, 120, diastolic=130), "diastolic"),
        (reading(PULSE, 70, fasting=True), "fasting"),
        (reading(PULSE, 70, ago=timedelta(days=31)), "taken_at"),
        (reading(PULSE, 70, ago=timedelta(days=-1)), "taken_at"),
        (Measurement(PULSE, 70, None, None, utc_now(), "clip-2"), "device_id"),
        (Measurement(PULSE, 70, None, None, utc_now(), ""), "device_id"),
        (Measurement(PULSE, 70, None, None, utc_now(), DEVICES[BP]), "code"),
    ],
)
async def test_a_measurement(
    world: World, kiosk_id: str, person: Enrolled, measurement: Measurement, field: str
) -> None:
    session_id = uuid4()
    started = begin(session_id, kiosk_id, person.token)
    said = await world.refused(started, measured(1, measurement))
    assert said == f"INVALID_ARGUMENT:measured.measurement.{field}"
    assert await world.kept(session_id, person.box) == []
    line = world.line()  # the kiosk leaves it out and goes on
    assert (await line.say(started)).stored_sequence == 0
    assert (await line.say(measured(1, reading(PULSE, 70)))).stored_sequence == 1
    await line.close()


async def test_a_gap(world: World, kiosk_id: str, person: Enrolled) -> None:
    session_id = uuid4()
    steps = [begin(session_id, kiosk_id, person.token), measured(1, reading(PULSE, 70))]
    for sequence in (0, 3, MAX_MEASUREMENTS + 1):
        said = await world.refused(*steps, measured(sequence, reading(PULSE, 70)))
        assert said == "INVALID_ARGUMENT:measured.sequence"
    assert [number for number, _ in await world.kept(session_id, person.box)] == [1]


async def test_an_end(world: World, kiosk_id: str, person: Enrolled) -> None:
    steps = [begin(uuid4(), kiosk_id, person.token), measured(1, reading(PULSE, 70))]
    assert await world.refused(*steps, end(0)) == "INVALID_ARGUMENT:end.last_sequence"
    for wrong in (at(days=31), at(days=-1), None):
        message = pb.End(last_sequence=1, ended_at=wrong)
        said = await world.refused(*steps, pb.SessionRequest(end=message))
        assert said == "INVALID_ARGUMENT:end.ended_at"


async def test_after_the_end(world: World, kiosk_id: str, person: Enrolled) -> None:
    session_id = uuid4()
    await world.session(kiosk_id, person.token, [reading(PULSE, 70)], session_id)
    started = begin(session_id, kiosk_id, person.token)
    for step in (measured(2, reading(PULSE, 70)), measured(9, reading(PULSE, 70)), end(2)):
        assert await world.refused(started, step) == "FAILED_PRECONDITION:ENDED"
    assert len(await world.kept(session_id, person.box)) == 1


async def test_the_session_of_another(world: World, kiosk_id: str, person: Enrolled) -> None:
    session_id = uuid4()
    await world.session(kiosk_id, person.token, [reading(PULSE, 70)], session_id)
    others = [
        begin(session_id, await world.kiosk(), person.token),
        begin(session_id, kiosk_id, (await world.enrol()).token),
    ]
    for other in others:
        assert await world.refused(other) == "FAILED_PRECONDITION:SESSION_OF_ANOTHER"


async def test_steps_out_of_place(world: World, kiosk_id: str, person: Enrolled) -> None:
    started = begin(uuid4(), kiosk_id, person.token)
    for first in (measured(1, reading(PULSE, 70)), end(0), pb.SessionRequest()):
        assert await world.refused(first) == "INVALID_ARGUMENT:step"
    other = begin(uuid4(), kiosk_id, person.token)
    assert await world.refused(started, other) == "INVALID_ARGUMENT:begin.session_id"


class CutOff(Exception):
    """The withdrawal goes no further."""


def cut_off(step: Step) -> None:
    raise CutOff


@pytest.mark.parametrize("after", [lambda step: None, cut_off], ids=["whole", "cut off"])
async def test_who_withdraws_is_measured_no_more(
    world: World, kiosk_id: str, after: Callable[[Step], None]
) -> None:
    """From its first step on, when all of the person is still there."""
    person, session_id = await world.enrol(), uuid4()
    line = world.line()
    await line.say(begin(session_id, kiosk_id, person.token))
    await line.say(measured(1, reading(PULSE, 70)))
    with contextlib.suppress(CutOff):
        await withdrawals(world.service, after).withdraw(person.token)
    left = 0 if after is not cut_off else 1
    count = "select from measurement where session_id = %s"
    assert len(await world.rows(count, session_id)) == left
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await line.say(measured(2, reading(PULSE, 70)))
    assert reason(refused.value) == "FAILED_PRECONDITION:NO_CONSENT"
    for other in (session_id, uuid4()):
        again = begin(other, kiosk_id, person.token)
        assert await world.refused(again) == "FAILED_PRECONDITION:NO_CONSENT"
    assert len(await world.rows(count, session_id)) == left


@pytest.mark.parametrize("content", [None, b"not a key"], ids=["gone", "altered"])
async def test_a_keyring_that_cannot_be_read_is_no_withdrawal(
    world: World, kiosk_id: str, content: bytes | None
) -> None:
    person, session_id = await world.enrol(), uuid4()
    started = begin(session_id, kiosk_id, person.token)
    path = world.service.backbone.settings.people.keyring / f"{person.person_id}.key"
    key = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    taken = reading(PULSE, 70)
    assert await world.refused(started, measured(1, taken)) == "UNAVAILABLE:UNAVAILABLE"
    path.write_bytes(key)
    await world.session(kiosk_id, person.token, [taken], session_id)
    assert await world.kept(session_id, person.box) == [(1, taken)]


async def test_a_withdrawal_in_the_midst_leaves_nothing(world: World, kiosk_id: str) -> None:
    """Streams store as fast as they can while it comes."""
    people = [await world.enrol() for _ in range(4)]

    async def measure(person: Enrolled) -> str:
        line = world.line()
        try:
            await line.say(begin(uuid4(), kiosk_id, person.token))
            for sequence in range(1, MAX_MEASUREMENTS + 1):
                await line.say(measured(sequence, reading(PULSE, 70)))
                if sequence == 3:
                    withdrawing.append(
                        asyncio.ensure_future(world.withdrawals.withdraw(person.token))
                    )
        except grpc.aio.AioRpcError as error:
            return reason(error)
        return "it was not refused"

    withdrawing: list[asyncio.Future[Any]] = []
    said = await asyncio.gather(*(measure(person) for person in people))
    assert said == ["FAILED_PRECONDITION:NO_CONSENT"] * 4
    await asyncio.gather(*withdrawing)
    ids = [person.person_id for person in people]
    for table in ("measurement", "kiosk_session"):
        assert await world.rows(f"select from {table} where person_id = any(%s)", ids) == []


async def test_what_a_device_measures_may_change(world: World, person: Enrolled) -> None:
    kiosk_id = await world.kiosk()
    line = world.line()
    await line.say(begin(uuid4(), kiosk_id, person.token))
    await line.say(measured(1, reading(PULSE, 70)))
    request = pb.RegisterKiosksRequest(
        idempotency_key=str(uuid4()), kiosks=[kiosk_message(kiosk_id, devices=[])]
    )
    await world.stub.RegisterKiosks(request)
    assert (await line.say(measured(1, reading(PULSE, 70)))).stored_sequence == 1
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await line.say(measured(2, reading(PULSE, 70)))
    assert reason(refused.value) == "INVALID_ARGUMENT:measured.measurement.device_id"
