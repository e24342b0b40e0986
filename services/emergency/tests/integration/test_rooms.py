"""The connector of a room, on the real database and a stand-in room."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from city_backbone.database import Database
from city_backbone.testing import eventually
from emergency import store, store_rooms
from emergency.domain.incident import Facts, Grade, Incident, Position, Source, Status
from emergency.domain.routing import Route
from emergency.domain.scsns.outgoing import Party
from emergency.ledger import Ledger
from emergency.rooms.connector import Connector
from emergency.rooms.session import RoomSession
from emergency.settings import DeliverySettings, RoomSettings
from emergency.store_rooms import NewMessage
from emergency.telemetry import Metrics
from opentelemetry import trace
from pydantic import SecretStr

from loadtests.rooms import Room
from loadtests.rooms.faults import Mode

from .conftest import API_KEY, ENVELOPE

FAST = DeliverySettings(
    timeout_seconds=1,
    backoff_base_seconds=0.02,
    backoff_cap_seconds=0.2,
    breaker_failures=3,
    breaker_seconds=0.2,
    poll_seconds=0.2,
)
# Of a room that is slow, and of which nothing is to be given up.
PATIENT = FAST.model_copy(update={"timeout_seconds": 30})
LIFE = (Status.OCCURRED, Status.CHANGED, Status.CHANGED, Status.CLEARED, Status.COMPLETED)
CODES = ("10", "40", "40", "50", "91")


class Desk:
    """Opens incidents and moves them on, as the handlers do."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    async def live(self, statuses: tuple[Status, ...] = LIFE) -> Incident:
        """A whole life, one transaction per change, a second of event time between changes."""
        at = datetime.now(UTC).replace(microsecond=0)
        facts = Facts(Grade.NORMAL, "화재", "연기", "보람동", Position(36.5, 127.3))
        incident = Incident(
            uuid4(), "fire", Status.OCCURRED, facts, at, at, "operator", Source("operator", "1")
        )
        for number, status in enumerate(statuses):
            if number:
                incident = incident.advance(status, at + timedelta(seconds=number), "operator")
            async with self._database.transaction() as connection:
                await store.lock(connection, [incident.id])
                (incident,) = await self._ledger.record(connection, [incident])
        return incident

    async def delivery(self, incident: Incident) -> store_rooms.Delivery:
        async with self._database.transaction() as connection:
            (one,) = await store_rooms.deliveries(connection, incident.id)
            return one


@pytest.fixture
def desk(database: Database, ledger: Ledger) -> Desk:
    return Desk(database, ledger)


Connect = Callable[..., Any]


@pytest.fixture
def connect(database: Database, metrics: Metrics, route: Route) -> Connect:
    """Runs a connector in the background: `async with connect(url):`."""

    @asynccontextmanager
    async def running(
        url: str, settings: DeliverySettings = FAST, api_key: SecretStr = API_KEY
    ) -> AsyncIterator[Connector]:
        stopping = asyncio.Event()
        room = RoomSettings(name=route.room, url=url, api_key=api_key)
        async with aiohttp.ClientSession() as http:
            session = RoomSession(room, Party("B3611000000", "DHB"), http, settings.timeout_seconds)
            connector = Connector(
                route.room, session, settings, database, metrics, stopping, ENVELOPE
            )
            task = asyncio.create_task(connector.run())
            try:
                yield connector
            finally:
                stopping.set()
                async with asyncio.timeout(10):
                    await task

    return running


@asynccontextmanager
async def serving(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """The URL of a room that answers so."""
    app = web.Application()
    app.add_routes([web.post("/{path:.*}", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def effects(room: Room, incident: Incident) -> list[str]:
    """Status codes that had an effect in the room, in the order they came."""
    return [
        event.ocrSts
        for event in room.events()
        if event.items["incidentId"] == str(incident.id) and not event.repeat
    ]


def told(room: Room, incident: Incident, codes: tuple[str, ...]) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return effects(room, incident) == list(codes)

    return condition


def settled(desk: Desk, incident: Incident) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return (await desk.delivery(incident)).pending == 0

    return condition


async def test_every_status_arrives_in_order(room: Room, desk: Desk, connect: Connect) -> None:
    async with connect(room.url, PATIENT):
        incidents = [await desk.live() for _ in range(4)]
        for incident in incidents:
            await eventually(settled(desk, incident))
    for incident in incidents:
        assert effects(room, incident) == list(CODES)
        assert (await desk.delivery(incident)).acknowledged_revision == 5
    counts = room.counts()
    assert (counts.effects, counts.repeats, counts.duplicates, counts.out_of_order) == (20, 0, 0, 0)
    assert (counts.auth, counts.refused) == (1, 0), counts.last_refusal


@pytest.mark.parametrize("down", [Mode(mode="down"), Mode(mode="down", close=True)])
async def test_a_room_that_was_down_gets_everything_in_order(
    room: Room, desk: Desk, connect: Connect, down: Mode
) -> None:
    room.set_mode(down)
    async with connect(room.url):
        incidents = [await desk.live() for _ in range(4)]

        async def failing() -> bool:
            return "EVENT" in (e := (await desk.delivery(incidents[0])).last_error) or "AUTH" in e

        await eventually(failing)
        assert room.counts().accepted == 0
        room.set_mode(Mode(mode="up"))
        for incident in incidents:
            await eventually(told(room, incident, CODES))
            await eventually(settled(desk, incident))
    counts = room.counts()
    assert (counts.effects, counts.duplicates, counts.out_of_order) == (20, 0, 0)


async def test_an_expired_session_is_renewed(room: Room, desk: Desk, connect: Connect) -> None:
    async with connect(room.url):
        first = await desk.live(LIFE[:1])
        await eventually(told(room, first, ("10",)))
        room.expire_sessions()
        second = await desk.live(LIFE[:2])
        await eventually(told(room, second, ("10", "40")))
        await eventually(settled(desk, second))
    assert room.counts().auth == 2
    assert room.counts().refused == 1


async def test_an_unknown_outcome_is_repeated_with_the_same_bytes(
    room: Room, desk: Desk, connect: Connect
) -> None:
    """The room applies the message, but its answer comes after our deadline."""
    settings = FAST.model_copy(update={"timeout_seconds": 0.3})
    async with connect(room.url, settings):
        first = await desk.live(LIFE[:1])
        await eventually(told(room, first, ("10",)))
        room.set_mode(Mode(mode="slow", delay_seconds=1))
        incident = await desk.live()

        async def repeated() -> bool:
            return room.counts().repeats > 0

        await eventually(repeated)
        room.set_mode(Mode(mode="up"))
        await eventually(settled(desk, incident))
    assert effects(room, incident) == list(CODES)
    assert (room.counts().duplicates, room.counts().out_of_order) == (0, 0)


async def test_a_connector_that_dies_in_a_call_sends_the_same_bytes_again(
    room: Room, desk: Desk, database: Database, metrics: Metrics, route: Route, connect: Connect
) -> None:
    settings = FAST.model_copy(update={"timeout_seconds": 30.0})
    async with aiohttp.ClientSession() as http:
        config = RoomSettings(name=route.room, url=room.url, api_key=API_KEY)
        session = RoomSession(config, Party("B3611000000", "DHB"), http, 30)
        stopping = asyncio.Event()
        first = Connector(route.room, session, settings, database, metrics, stopping, ENVELOPE)
        task = asyncio.create_task(first.run())
        await eventually(settled(desk, await desk.live(LIFE[:1])))
        room.set_mode(Mode(mode="slow", delay_seconds=30))
        incident = await desk.live(LIFE[:2])
        await eventually(told(room, incident, ("10",)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    room.set_mode(Mode(mode="up"))
    async with connect(room.url, PATIENT):
        await eventually(settled(desk, incident))
    assert effects(room, incident) == ["10", "40"]
    assert (room.counts().repeats, room.counts().duplicates) == (1, 0)


async def test_two_replicas_share_a_room_without_sending_twice(
    room: Room, desk: Desk, connect: Connect
) -> None:
    async with connect(room.url, PATIENT):
        async with connect(room.url, PATIENT):
            incidents = [await desk.live() for _ in range(3)]
            for incident in incidents:
                await eventually(settled(desk, incident))
        later = await desk.live()
        await eventually(settled(desk, later))
    counts = room.counts()
    assert (counts.effects, counts.repeats, counts.duplicates) == (20, 0, 0)


async def test_a_refused_message_holds_up_only_its_incident(
    room: Room, desk: Desk, connect: Connect
) -> None:
    async with connect(room.url):
        bad = await _without_position(desk)
        good = [await desk.live() for _ in range(3)]
        for incident in good:
            await eventually(told(room, incident, CODES))

        async def seen() -> bool:
            return "ocrLc" in (await desk.delivery(bad)).last_error

        await eventually(seen)
    assert (await desk.delivery(bad)).pending == 2
    assert effects(room, bad) == []


async def _without_position(desk: Desk) -> Incident:
    at = datetime.now(UTC).replace(microsecond=0)
    incident = Incident(
        uuid4(),
        "fire",
        Status.OCCURRED,
        Facts(Grade.NORMAL, "화재", "", "조치원읍"),
        at,
        at,
        "operator",
        Source("operator", "1"),
    )
    changed = incident.advance(Status.CHANGED, at, "operator")
    async with desk._database.transaction() as connection:
        await store.lock(connection, [incident.id])
        await desk._ledger.record(connection, [incident, changed])
    return incident


class Counting:
    """A room that is no room: answers everything with `status`."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.calls = 0
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Counting"]:
        async def answer(_: web.Request) -> web.Response:
            self.calls += 1
            return web.Response(status=self.status, text="not now")

        async with serving(answer) as self.url:
            yield self


async def test_an_open_breaker_lets_nothing_through(desk: Desk, connect: Connect) -> None:
    settings = FAST.model_copy(update={"breaker_seconds": 3600.0})
    async with Counting(503).running() as room, connect(room.url, settings):
        first = await desk.live(LIFE[:1])

        async def opened() -> bool:
            return room.calls >= settings.breaker_failures

        await eventually(opened)
        others = [await desk.live(LIFE[:1]) for _ in range(8)]
    # Calls already under way when it opens may still end.
    assert room.calls < settings.breaker_failures + settings.concurrency
    for incident in (first, *others):
        assert (await desk.delivery(incident)).pending == 1


@pytest.mark.parametrize("status", [200, 302, 404, 500])
async def test_an_answer_that_is_not_of_a_room_is_no_acknowledgement(
    desk: Desk, connect: Connect, status: int
) -> None:
    async with Counting(status).running() as room, connect(room.url):
        incident = await desk.live(LIFE[:1])

        async def failed() -> str:
            return (await desk.delivery(incident)).last_error

        assert str(status) in await eventually(failed)
    assert (await desk.delivery(incident)).pending == 1


async def test_a_wrong_api_key_is_told(room: Room, desk: Desk, connect: Connect) -> None:
    async with connect(room.url, api_key=SecretStr("wrong")):
        incident = await desk.live(LIFE[:1])

        async def failed() -> str:
            return (await desk.delivery(incident)).last_error

        assert "AUTH" in await eventually(failed)
    assert room.counts().accepted == 0


async def test_the_commit_of_a_message_wakes_its_room(
    room: Room, desk: Desk, connect: Connect
) -> None:
    """Not the poll: that is an hour away."""
    settings = FAST.model_copy(update={"poll_seconds": 3600.0})
    async with connect(room.url, settings):
        for _ in range(3):
            incident = await desk.live(LIFE[:1])
            await eventually(told(room, incident, ("10",)))


async def test_a_room_that_refuses_an_answer_does_not_get_its_secret_written_down(
    desk: Desk, connect: Connect, route: Route, database: Database
) -> None:
    """It may quote what it refuses; what GetIncident shows must not."""
    incident = await desk.live(LIFE[:1])
    async with database.transaction() as connection:
        await connection.execute("delete from room_message where room = %s", (route.room,))
        body = ENVELOPE.seal(route.room, incident.id, 1, '{"token":"secret"}')
        answer = NewMessage(route.room, incident.id, 1, "40", body, answer=True)
        await store_rooms.enqueue(connection, [answer])

    refused_bodies = []

    async def answer_of(request: web.Request) -> web.Response:
        message = await request.json()
        refused_bodies.append(message["body"])
        if message["svcTy"] == "AUTH":
            return web.json_response({"result": "0", "message": "key"})
        return web.json_response({"result": "1", "message": f"wrong: {message['body']}"})

    async with serving(answer_of) as url, connect(url):

        async def refused() -> str:
            return (await desk.delivery(incident)).last_error

        assert await eventually(refused) == "EVENT: refused"
        assert {"token": "secret"} in refused_bodies


async def test_what_a_room_takes_while_another_is_written_down_is_sent_once(
    desk: Desk, connect: Connect, database: Database
) -> None:
    one, other = await desk.live(LIFE[:1]), await desk.live(LIFE[:1])
    sent = Counter[str]()
    gates = {str(incident.id): asyncio.Event() for incident in (one, other)}

    async def answer_of(request: web.Request) -> web.Response:
        message = await request.json()
        if message["svcTy"] != "AUTH":
            items = {item["key"]: item["val"] for item in message["body"]["ocrEvtItem"]}
            sent[items["incidentId"]] += 1
            await gates[items["incidentId"]].wait()
        return web.json_response({"result": "0", "message": "key"})

    async def both_sent() -> bool:
        return len(sent) == 2

    async def held_up() -> bool:
        async with database.transaction() as connection:
            rows = await connection.execute(
                "select from pg_stat_activity where wait_event_type = 'Lock'"
                " and datname = current_database() and query like 'update room_message%'"
            )
            return await rows.fetchone() is not None

    async with serving(answer_of) as url, connect(url, PATIENT) as connector:
        await eventually(both_sent)
        async with database.transaction() as holding:
            await holding.execute(
                "select from room_message where incident_id = %s for update", (one.id,)
            )
            gates[str(one.id)].set()
            await eventually(held_up)
            gates[str(other.id)].set()

            async def taken() -> bool:
                return len(connector._taken) == 2

            await eventually(taken)
        await eventually(settled(desk, one))
        await eventually(settled(desk, other))
    assert sent == dict.fromkeys(gates, 1)


async def test_a_message_keeps_the_trace_of_what_caused_it(
    desk: Desk, route: Route, database: Database
) -> None:
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    context = trace.SpanContext(0x112, 0x119, False, flags)
    with trace.use_span(trace.NonRecordingSpan(context)):
        traced = await desk.live(LIFE[:1])
    untraced = await desk.live(LIFE[:1])
    async with database.transaction() as connection:
        due = await store_rooms.due(connection, route.room, (), 10)
    kept = {message.incident_id: message.traceparent for message in due}
    assert f"{0x112:032x}" in (kept[traced.id] or "")
    assert kept[untraced.id] is None
