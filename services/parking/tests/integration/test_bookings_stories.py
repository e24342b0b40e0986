"""The stories of tests/unit told to the model and to the service at once: they say the same."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import grpc.aio
import pytest
import pytest_asyncio
from city.parking.v1 import booking_pb2 as pb
from city_backbone.events import event_id
from city_backbone.testing import Mesh, eventually
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from parking.bookings import store
from parking.bookings.booking import Booking
from parking.bookings.messages import booking_message
from parking.lots.store import lock_terms
from parking.messages import interval_message
from parking.occupancy.sensor import Seen
from parking.occupancy.status import status_of
from parking.occupancy.wiring import bay_states

from ..unit.bookings_machine import Story, without_gap
from ..unit.bookings_model import REFERENCE, Answer, Call, Model
from ..unit.bookings_parts import LIMITS, RULES
from .bookings_world import DEADLINE, MovedWorld, opened, reason

pytestmark = pytest.mark.asyncio(loop_scope="module")

T = TypeVar("T")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[MovedWorld]:
    async with opened(mesh, PARKING_BOOKINGS__HOLD_SECONDS="360") as world:
        yield world


class Both:
    """Bays of the service, and the model of them: every answer and every row must agree.

    Runs in a thread of its own; the service in the loop.
    """

    def __init__(self, world: MovedWorld, loop: asyncio.AbstractEventLoop) -> None:
        self._world, self._loop = world, loop
        self._seen: list[Booking] | None = None  # since the last change
        self.owner_id = uuid4()
        self.bay_ids, self.vehicle_id, self._model = self._run(self._open())

    @property
    def now(self) -> Any:
        return self._world.clock.now

    def ask(self, call: Call) -> Answer:
        self._seen = None
        answer = self._model.ask(call)
        said = self._run(self._ask(call))
        assert said == (answer if isinstance(answer, str) else booking_message(answer))
        return answer

    def move(self, by: timedelta) -> None:
        self._model.move(by)
        self._world.clock.now += by

    def sense(self, bay_id: str, occupied: bool) -> None:
        self._model.sense(bay_id, occupied)
        self._run(self._world.sense(bay_id, occupied))
        self._run(self._refresh(bay_id))

    def put_in_service(self, bay_id: str, in_service: bool) -> None:
        self._model.put_in_service(bay_id, in_service)
        statement = "update bay set in_service = %s where bay_id = %s"
        self._run(self._world.execute(statement, in_service, bay_id))
        self._run(self._refresh(bay_id))

    def sweep(self) -> None:
        self._seen = None
        self._model.sweep()
        self._run(self._world.pass_time())
        for bay_id in self.bay_ids:
            sight = self._model.sights.get(bay_id)
            occupied = sight is not None and sight.occupied_since is not None
            seen = Seen(bay_id, occupied, self.now, self.now) if sight else None
            in_service = self._model.terms[bay_id].in_service
            expected = status_of(in_service, seen, self._model.claims_now(bay_id), self.now)
            assert self._run(self._world.status(bay_id)) == expected

    def rows(self) -> list[Booking]:
        if self._seen is None:
            self._seen = self._run(self._rows())
            assert self._seen == self._model.rows()
            balances = self._run(self._world.balances(*self._model.bookings))
            assert balances == self._model.balances()
        return self._seen

    def balances(self) -> Mapping[str, int]:
        self.rows()
        return self._model.balances()

    def end(self) -> None:
        without_gap(self._model.history)
        TOLD.extend(self._model.history)
        statement = "delete from booking where bay_id = any(%s)"  # no later story meets them
        self._run(self._world.execute(statement, self.bay_ids))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _open(self) -> tuple[Sequence[str], UUID, Model]:
        world = self._world
        bays = [await world.shared_bay(self.owner_id, until) for until in (1380, 690)]
        async with world.database.transaction() as connection:
            terms = await lock_terms(connection, bays)
        rules = [replace(rule, scheme=world.scheme) for rule in RULES]
        model = Model(terms=terms, rules=rules, limits=LIMITS, now=world.clock.now)
        return bays, await world.vehicle(), model

    async def _ask(self, call: Call) -> pb.Booking | str:
        stub = self._world.stub
        known: dict[str, tuple[Any, Any]] = {
            "hold": (stub.HoldBay, pb.HoldBayRequest(vehicle_id=str(call.who))),
            "keep": (stub.BlockBay, pb.BlockBayRequest(owner_id=str(call.who))),
            "confirm": (
                stub.ConfirmBooking,
                pb.ConfirmBookingRequest(payment_reference=REFERENCE),
            ),
            "check_in": (stub.CheckIn, pb.CheckInRequest()),
            "check_out": (stub.CheckOut, pb.CheckOutRequest()),
            "cancel": (stub.CancelBooking, pb.CancelBookingRequest()),
        }
        method, request = known[call.act]
        request.idempotency_key = str(call.key)
        if call.interval is None:
            request.booking_id = str(call.booking_id)
        else:
            request.bay_id = call.bay_id
            request.interval.CopyFrom(interval_message(call.interval))
        try:
            answer: pb.Booking = (await method(request, timeout=DEADLINE)).booking
        except grpc.aio.AioRpcError as error:
            return reason(error)
        return answer

    async def _rows(self) -> list[Booking]:
        async with self._world.database.transaction() as connection:
            found = [
                booking
                for bay_id in self.bay_ids
                for booking in await store.newest(
                    connection, store.Wanted(bay_id), None, self.now, 1000
                )
            ]
        return sorted(found, key=lambda booking: booking.booking_id)

    async def _refresh(self, bay_id: str) -> None:
        backbone = self._world.service.backbone
        async with backbone.database.transaction() as connection:
            await lock_terms(connection, [bay_id])
            await bay_states(backbone).refresh(connection, [bay_id], self.now)


TOLD: list[Booking] = []


@pytest.mark.timeout(120)
async def test_the_service_does_what_the_model_does(world: MovedWorld) -> None:
    loop = asyncio.get_running_loop()

    class InTheService(Story):
        begin = staticmethod(lambda: Both(world, loop))

    await asyncio.to_thread(
        run_state_machine_as_test,
        InTheService,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert TOLD
    await every_revision_is_told_once(world, TOLD)


async def every_revision_is_told_once(world: MovedWorld, history: Sequence[Booking]) -> None:
    """In order per booking, with the id that its cause has."""
    ids = {str(booking.booking_id) for booking in history}

    async def told() -> list[dict[str, Any]] | None:
        events = [event for event in await world.topic.all() if event["key"] in ids]
        return events if len(events) >= len(history) else None

    events = await eventually(told)
    assert events is not None
    by_booking: dict[str, list[tuple[int, str, str]]] = {}
    for event in events:
        line = (event["revision"], event["status"], event["ce_id"])
        by_booking.setdefault(event["key"], []).append(line)
    expected: dict[str, list[tuple[int, str, str]]] = {}
    for booking in history:
        key, revision = str(booking.booking_id), booking.revision
        ce_id = str(event_id("booking-changed", key, revision))
        expected.setdefault(key, []).append((revision, str(booking.status), ce_id))
    assert by_booking == expected
