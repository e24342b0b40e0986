"""Two hundred drivers want ten bays, and the service is killed again and again meanwhile."""

import asyncio
import itertools
import os
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import grpc.aio
import pytest
from city.parking.v1 import booking_pb2 as pb
from city.parking.v1.booking_pb2_grpc import BookingServiceStub
from city_backbone.database import Database, migrate
from city_backbone.errors import NeighbourUnavailable
from city_backbone.events import event_id
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import DatabaseSettings, TlsSettings
from city_backbone.testing import Mesh, eventually
from parking.clock import utc_now
from pydantic import SecretStr

from .bookings_world import Topic, World, reason

DRIVERS, BAYS, TRIES = 200, 10, 3
# So many answers are heard before each kill.
KILLS = (40, 120, 240)
HOLD_SECONDS = 3
LIVE = ("HELD", "CONFIRMED", "OCCUPIED")
REFUSALS = {
    "HoldBay": {"ABORTED:BAY_TAKEN"},
    "ConfirmBooking": {"FAILED_PRECONDITION:HOLD_EXPIRED"},
}
# The call may have taken effect, or not: who asked asks again, with the same key.
_UNHEARD = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
)


@dataclass
class Answer:
    """What a driver was told, and when the call that was heard began and ended."""

    method: str
    request: Any
    asked_at: datetime
    heard_at: datetime
    refusal: str
    booking: pb.Booking | None


@dataclass
class Rush:
    world: World
    bays: list[str]
    vehicle_id: UUID
    began_at: datetime
    answers: list[Answer] = field(default_factory=list)

    async def heard(self, count: int) -> bool:
        return len(self.answers) >= count

    async def drive(self, number: int) -> None:
        """A driver tries some bays, pays or does not, comes or does not."""
        chance = random.Random(number)
        for _ in range(TRIES):
            starts_at = self.began_at + timedelta(minutes=chance.choice([5, 5, 35, 65]))
            ends_at = starts_at + timedelta(minutes=chance.choice([30, 60, 90]))
            request = pb.HoldBayRequest(bay_id=chance.choice(self.bays))
            request.vehicle_id = str(self.vehicle_id)
            request.interval.starts_at.FromDatetime(starts_at)
            request.interval.ends_at.FromDatetime(ends_at)
            held = await self.ask("HoldBay", request)
            if held:
                break
        else:
            return
        booking_id = held.booking_id
        plan = chance.choice(["leave it", "pay", "cancel", "park", "park"])
        if plan == "leave it":
            return
        paid = await self.ask(
            "ConfirmBooking",
            pb.ConfirmBookingRequest(booking_id=booking_id, payment_reference=f"pg-{number}"),
        )
        if not paid:
            return
        if plan == "cancel":
            await self.ask("CancelBooking", pb.CancelBookingRequest(booking_id=booking_id))
        elif plan == "park" and starts_at - self.began_at < timedelta(minutes=10):
            await self.ask("CheckIn", pb.CheckInRequest(booking_id=booking_id))
            await self.ask("CheckOut", pb.CheckOutRequest(booking_id=booking_id))

    async def ask(self, method: str, request: Any) -> pb.Booking | None:
        """Until there is an answer. Some do not hear the first one, and ask again."""
        request.idempotency_key = str(uuid4())
        deaf = UUID(request.idempotency_key).int % 4 == 0
        answer = await eventually(partial(self._once, method, request), seconds=60, interval=0.2)
        assert answer is not None
        if deaf:
            again = await eventually(partial(self._once, method, request), seconds=60, interval=0.2)
            assert again is not None
            assert answer.booking in (None, again.booking)
            answer = again
        self.answers.append(answer)
        return answer.booking

    async def _once(self, method: str, request: Any) -> Answer | None:
        asked_at = utc_now()
        try:
            call = getattr(self.world.stub, method)
            booking = (await call(request, timeout=5)).booking
            return Answer(method, request, asked_at, utc_now(), "", booking)
        except NeighbourUnavailable:
            return None
        except grpc.aio.AioRpcError as error:
            if error.code() in _UNHEARD:
                return None
            return Answer(method, request, asked_at, utc_now(), reason(error), None)


@asynccontextmanager
async def process(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The whole department; ended with the block when it still runs."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "parking",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


@asynccontextmanager
async def opened(mesh: Mesh, port: int) -> AsyncIterator[World]:
    """The database beside the service, and a channel to where it will be."""
    operator = mesh.environment("operator")
    tls = TlsSettings(
        cert_file=Path(operator["OPERATOR_TLS__CERT_FILE"]),
        key_file=Path(operator["OPERATOR_TLS__KEY_FILE"]),
        ca_file=Path(operator["OPERATOR_TLS__CA_FILE"]),
    )
    channel = open_channel(f"127.0.0.1:{port}", tls, server_name="parking", breaker_seconds=0.1)
    dsn = SecretStr(mesh.environment("parking")["PARKING_DATABASE__DSN"])
    settings = DatabaseSettings(dsn=dsn)
    await migrate(settings, "parking")
    database, topic = Database(settings), Topic(operator)
    await database.open()
    await topic.start()
    try:
        yield World(database, utc_now, BookingServiceStub(channel), topic)
    finally:
        await topic.stop()
        await channel.close(None)
        await database.close()


@pytest.mark.timeout(170)
async def test_ten_bays_are_never_booked_twice(mesh: Mesh) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        **mesh.environment("parking"),
        "PARKING_GRPC__PORT": str(port),
        "PARKING_HTTP__PORT": "0",
        "PARKING_BOOKINGS__HOLD_SECONDS": str(HOLD_SECONDS),
        "PARKING_OUTBOX__BATCH": "20",  # so that a kill meets the relay halfway
    }
    async with opened(mesh, port) as world:
        try:
            await world.rules()
            lots = [await world.lot(), await world.lot()]
            bays = [await world.bay(lots[number % 2]) for number in range(BAYS)]
            rush = Rush(world, bays, await world.vehicle(), utc_now())
            drivers = asyncio.gather(*(rush.drive(number) for number in range(DRIVERS)))
            for answers in KILLS:
                async with process(environment) as running:
                    await eventually(partial(rush.heard, answers), seconds=60)
                    assert not drivers.done()
                    running.send_signal(signal.SIGKILL)
                    assert await running.wait() == -signal.SIGKILL
            async with process(environment):
                await drivers
                rows = await settled(rush)
                history = await told(rush, rows)
            answered(rush, rows)
            refused(rush, history)
            apart(history)
            await balanced(rush, rows)
        finally:
            await world.clear()


async def settled(rush: Rush) -> dict[str, dict[str, Any]]:
    """The rows, when the last hold has expired and the last event is on its way."""

    async def over() -> bool:
        held = "select from booking where bay_id = any(%s) and status = 'HELD' limit 1"
        return not await rush.world.rows(held, rush.bays) and not await rush.world.rows(
            "select from outbox limit 1"
        )

    await eventually(over, seconds=30)
    rows = await rush.world.rows(
        "select *, lower(during) as starts_at, upper(during) as ends_at from booking"
        " where bay_id = any(%s)",
        rush.bays,
    )
    return {str(row["booking_id"]): row for row in rows}


async def told(rush: Rush, rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The events of all bookings: each revision under one id, in order, to the very last."""

    async def whole() -> list[dict[str, Any]] | None:
        mine = [event for event in await rush.world.topic.all() if event["key"] in rows]
        last = {event["key"]: event["revision"] for event in mine}
        return mine if last == {key: row["revision"] for key, row in rows.items()} else None

    events = await eventually(whole)
    assert events is not None
    first: dict[str, dict[str, Any]] = {}  # a relay that was killed sends some again
    for event in events:
        assert first.setdefault(event["ce_id"], event) == event
    history = list(first.values())
    for key, row in rows.items():
        mine = [event for event in history if event["key"] == key]
        assert [event["revision"] for event in mine] == list(range(1, row["revision"] + 1))
        assert mine[-1]["status"] == row["status"]
        for event in mine:
            assert event["ce_id"] == str(event_id("booking-changed", key, event["revision"]))
    return history


def answered(rush: Rush, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Each booking happened once, and everybody was told what is so."""
    held = {
        str(event_id("booking", "operator", answer.request.idempotency_key)): answer
        for answer in rush.answers
        if answer.method == "HoldBay"
    }
    assert {key for key, answer in held.items() if answer.booking} == set(rows)
    last: dict[str, Answer] = {}
    for answer in rush.answers:
        if answer.booking:
            last[answer.booking.booking_id] = answer
    expired = {
        answer.request.booking_id
        for answer in rush.answers
        if answer.refusal == "FAILED_PRECONDITION:HOLD_EXPIRED"
    }
    for key, row in rows.items():
        booking = last[key].booking
        assert booking is not None
        status = pb.BookingStatus.Name(booking.status).removeprefix("BOOKING_STATUS_")
        revision = booking.revision
        if status == "HELD":  # nobody paid in time
            status, revision = "EXPIRED", revision + 1
        assert (row["status"], row["revision"]) == (status, revision)
        assert (row["price_won"], row["refund_won"]) == (booking.price_won, booking.refund_won)
        assert row["status"] == "EXPIRED" or key not in expired
    statuses = Counter(row["status"] for row in rows.values())
    assert {"EXPIRED", "CONFIRMED"} <= set(statuses), statuses


def refused(rush: Rush, history: list[dict[str, Any]]) -> None:
    """For a reason that was true while it was asked."""
    ends = {event["key"]: event for event in history if event["status"] not in LIVE}
    starts = [event for event in history if event["revision"] == 1]
    for answer in rush.answers:
        if not answer.refusal:
            continue
        assert answer.refusal in REFUSALS.get(answer.method, ()), answer
        if answer.method == "HoldBay":
            wanted = answer.request.interval
            starts_at = wanted.starts_at.ToDatetime(UTC)
            ends_at = wanted.ends_at.ToDatetime(UTC)
            assert any(
                event["bay_id"] == answer.request.bay_id
                and event["starts_at"] < ends_at
                and starts_at < event["ends_at"]
                and event["changed_at"] <= answer.heard_at
                and (
                    event["key"] not in ends or answer.asked_at <= ends[event["key"]]["changed_at"]
                )
                for event in starts
            ), answer


def apart(history: list[dict[str, Any]]) -> None:
    """No two claims shared a moment of a bay while both were live: at no time, not only now."""
    ends = {event["key"]: event["changed_at"] for event in history if event["status"] not in LIVE}
    claims = [event for event in history if event["revision"] == 1]
    assert claims
    for one, other in itertools.combinations(claims, 2):
        if one["bay_id"] != other["bay_id"]:
            continue
        if one["starts_at"] < other["ends_at"] and other["starts_at"] < one["ends_at"]:
            first, second = sorted((one, other), key=lambda event: event["changed_at"])
            assert first["key"] in ends, (first, second)
            assert ends[first["key"]] <= second["changed_at"], (first, second)


async def balanced(rush: Rush, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Every payment and every settlement once, and nothing lost."""
    postings = await rush.world.rows(
        "select booking_id, kind, sum(amount_won)::bigint as won from ledger_posting"
        " join ledger_entry using (posting_id) where booking_id = any(%s::uuid[])"
        " group by posting_id, booking_id, kind",
        list(rows),
    )
    assert all(posting["won"] == 0 for posting in postings)
    kinds = {"CONFIRMED": ["PAYMENT"], "OCCUPIED": ["PAYMENT"]}
    kinds["REFUNDED"], kinds["SETTLED"] = ["PAYMENT", "REFUND"], ["PAYMENT", "SETTLEMENT"]
    for key, row in rows.items():
        posted = [one["kind"] for one in postings if str(one["booking_id"]) == key]
        assert sorted(posted) == kinds.get(row["status"], []), row
    balances = await rush.world.balances(*rows)
    assert sum(balances.values()) == 0
    paid = [row["price_won"] for row in rows.values() if row["status"] in ("CONFIRMED", "OCCUPIED")]
    assert -balances.get("prepaid", 0) == sum(paid)
