"""What kiosks send to `health`: sessions, and acute ones that call 119.

Settings, ASSUMPTION: `people` (50 a shard, enrolled when it opens: a token is told once),
`measurements` (3 in a session on the average, at least 1).
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc.aio
from city.health.v1 import kiosk_pb2, person_pb2
from city.health.v1.kiosk_pb2_grpc import KioskServiceStub
from city.health.v1.person_pb2_grpc import PersonServiceStub
from city_backbone.events import event_id
from google.protobuf.timestamp_pb2 import Timestamp

from loadtests.city.health import wire
from loadtests.city.health.kiosks import KIOSKS, Kiosk
from loadtests.city.health.people import Person, people
from loadtests.city.health.rates import Code, Purpose
from loadtests.city.health.values import Value, value
from loadtests.city.seeded import draws
from loadtests.driver.operation import Operation, Outcome, World
from loadtests.driver.operations.calling import (
    connected,
    deadline,
    malformed_share,
    refused,
    size,
    some_at_once,
    turned_down,
)

if TYPE_CHECKING:
    from city.health.v1.kiosk_pb2_grpc import KioskServiceAsyncStub
    from city.health.v1.person_pb2_grpc import PersonServiceAsyncStub

SESSION = "health.Session"
ACUTE = "health.Acute"
MEASUREMENT_TAKEN = "health.measurement-taken.v1"
ACUTE_READING_DETECTED = "health.acute-reading-detected.v1"
_WELL = (Code.BLOOD_PRESSURE, Code.HEART_RATE, Code.BODY_TEMPERATURE)
# No heart beats so: a session with it must be refused by field, what came before stays.
_NONE = Value(Code.HEART_RATE, 9_999.0)
_MOST = 30
_BAD = (Value(Code.HEART_RATE, 72.0), Value(Code.OXYGEN_SATURATION, 88.0))


def offers(name: str) -> bool:
    return name in (SESSION, ACUTE)


async def prepare(world: World, names: Collection[str]) -> None:
    async with connected(world, "health") as channel:
        kiosks: KioskServiceAsyncStub = KioskServiceStub(channel)
        await kiosks.RegisterKiosks(wire.kiosk_registration(KIOSKS), timeout=deadline(world))


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    async with connected(world, "health") as channel:
        guests = await enrolled(channel, world)
        made: tuple[Operation, ...] = (
            Session(channel, world, guests),
            Acute(channel, world, guests),
        )
        yield {one.name: one for one in made if one.name in names}


async def enrolled(channel: grpc.aio.Channel, world: World) -> list[tuple[Person, str]]:
    stub: PersonServiceAsyncStub = PersonServiceStub(channel)
    # Who did not consent to emergencies is not told to 119.
    willing = [one for one in people(world.seed) if Purpose.EMERGENCY in one.purposes]
    count = int(world.number("people", 50))
    tokens: dict[int, str] = {}
    now = Timestamp()
    now.GetCurrentTime()
    run = uuid4()

    async def enrol(number: int) -> None:
        person = willing[number % len(willing)]
        request: person_pb2.EnrolPersonRequest = wire.enrolment(
            person, now.ToMicroseconds(), run, number
        )
        answer = await stub.EnrolPerson(request, timeout=deadline(world))
        tokens[number] = answer.person_token

    await some_at_once(enrol(number) for number in range(count))
    return [(willing[number % len(willing)], tokens[number]) for number in range(count)]


class Session:
    """Begin, measurements of which none is acute, end; each step is answered before the next.

    The people of a shard come in turn.
    """

    name = SESSION

    def __init__(
        self, channel: grpc.aio.Channel, world: World, guests: Sequence[tuple[Person, str]]
    ) -> None:
        self._stub: KioskServiceAsyncStub = KioskServiceStub(channel)
        self._seed = world.seed
        self._guests = guests
        self._shards = world.shards
        self._measurements = world.number("measurements", 3)
        self._malformed = malformed_share(world)
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        draw = draws(self._seed, self.name, number)
        person, token = self._guests[number // self._shards % len(self._guests)]
        near = [kiosk for kiosk in KIOSKS if kiosk.zone == person.zone]
        kiosk = draw.choice(near)
        many = size(draw, self._measurements, _MOST)
        codes = itertools.islice(itertools.cycle(_WELL), many)
        values = [value(draw, person.body, code) for code in codes]
        if draw.random() < self._malformed:
            values.append(_NONE)
        return await self._held(self._id(intended, number), kiosk, token, values, intended)

    def _id(self, intended: datetime, number: int) -> UUID:
        # A run of the same seed is another day: its sessions are others.
        draw = draws(self._seed, self.name, number, intended.isoformat())
        return UUID(int=draw.getrandbits(128), version=4)

    async def _held(
        self,
        session: UUID,
        kiosk: Kiosk,
        token: str,
        values: Sequence[Value],
        intended: datetime,
    ) -> Outcome:
        at = round(intended.timestamp() * 1_000_000)
        steps = [
            kiosk_pb2.SessionRequest(begin=wire.begin(str(session), kiosk.kiosk_id, token, at))
        ]
        for sequence, one in enumerate(values, start=1):
            device = kiosk.device(one.code)
            assert device is not None, f"{kiosk.kiosk_id} does not measure {one.code}"
            measured = wire.measured(sequence, one, device.device_id, at)
            steps.append(kiosk_pb2.SessionRequest(measured=measured))
        steps.append(kiosk_pb2.SessionRequest(end=wire.end(len(values), at)))
        acknowledged: list[str] = []
        stream = self._stub.Session(timeout=self._deadline)
        key = str(session)
        try:
            for step in steps:
                await stream.write(step)
                answer = await stream.read()
                if not isinstance(answer, kiosk_pb2.SessionResponse):
                    await stream.code()
                    told = f"cut off: {await stream.details()}"
                    return Outcome("unknown", told, tuple(acknowledged), key)
                if step.HasField("measured"):
                    acknowledged += self._effects(session, step.measured.sequence, answer)
            await stream.done_writing()
        except asyncio.InvalidStateError:
            # It was ended, and why, before this was written.
            outcome = refused(await _end(stream), key)
            return Outcome(outcome.status, outcome.detail, tuple(acknowledged), key)
        except grpc.aio.AioRpcError as error:
            if values[-1] is _NONE and len(acknowledged) == len(values) - 1:
                return turned_down(error, key, tuple(acknowledged))
            outcome = refused(error, key)
            return Outcome(outcome.status, outcome.detail, tuple(acknowledged), key)
        finally:
            # One that has ended stays so.
            stream.cancel()
        if values[-1] is _NONE:
            return Outcome("failed", "taken though malformed", tuple(acknowledged), key)
        return Outcome("ok", "", tuple(acknowledged), key)

    def _effects(
        self, session: UUID, sequence: int, answer: kiosk_pb2.SessionResponse
    ) -> list[str]:
        """Ids of the events that the answer promises."""
        measurement = event_id("measurement", session, sequence)
        found = [str(event_id(MEASUREMENT_TAKEN, measurement))]
        if answer.assessment.acute:
            found.append(str(event_id(ACUTE_READING_DETECTED, event_id("case", session))))
        return found


class Acute(Session):
    """A pulse, then too little oxygen: 119 is called at the second one, taken at the intended
    instant. Each session is a case of its own."""

    name = ACUTE

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        _, token = self._guests[number // self._shards % len(self._guests)]
        kiosk = KIOSKS[number % len(KIOSKS)]
        session = self._id(intended, number)
        outcome = await self._held(session, kiosk, token, _BAD, intended)
        case = str(event_id(ACUTE_READING_DETECTED, event_id("case", session)))
        if outcome.status == "ok" and case not in outcome.acknowledged:
            return Outcome("failed", "119 was not called", outcome.acknowledged, outcome.key)
        return outcome


async def _end(stream: Any) -> grpc.aio.AioRpcError:
    none = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(await stream.code(), none, none, await stream.details())
