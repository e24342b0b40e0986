"""Wires emergency together, once."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import aiohttp
import structlog
from city.emergency.v1 import emergency_pb2_grpc as stubs
from city_backbone.runtime import Backbone, Service

from emergency import tasks
from emergency.alarms import Dispatcher
from emergency.context.answer import Answering
from emergency.context.gatherer import Gatherer
from emergency.context.neighbours import Neighbours
from emergency.context.revision import Revising
from emergency.domain.incident import Position
from emergency.domain.merging import Bounds
from emergency.domain.routing import Route
from emergency.domain.scsns.outgoing import Party
from emergency.envelope import Envelope
from emergency.http import Scsns
from emergency.ledger import Ledger
from emergency.readings import Readings
from emergency.rooms.connector import Connector
from emergency.rooms.session import RoomSession
from emergency.rpc import SERVICE, EmergencyServicer
from emergency.rules import load_rules
from emergency.settings import EmergencySettings, RoomSettings
from emergency.stream import subscriptions
from emergency.telemetry import Metrics

log = structlog.get_logger()


async def bootstrap(backbone: Backbone[EmergencySettings]) -> Service:
    """The department's parts; nothing has started yet."""
    settings, database, stopping = backbone.settings, backbone.database, backbone.stopping
    metrics = Metrics(backbone.meter)
    unknown = settings.unknown_position
    ledger = Ledger(
        backbone.outbox,
        [Route(room.name, room.kinds, room.desks) for room in settings.rooms],
        metrics,
        Position(unknown.latitude, unknown.longitude) if unknown else None,
    )
    scsns = Scsns(database, ledger, metrics, settings.peer_rooms, settings.incoming)
    servicer = EmergencyServicer(database, backbone.idempotency, ledger, stopping)
    after = timedelta(hours=settings.complete_after_hours)
    rules = load_rules(settings.dispatch_rules_file)
    served = {desk for room in settings.rooms for desk in room.desks}
    if unserved := sorted(rules.desks - served):
        log.warning("no room serves desks of the dispatch rules", desks=unserved)
    dispatcher = Dispatcher(
        ledger,
        rules,
        Bounds(settings.merge_metres, settings.merge_seconds),
    )
    neighbours = Neighbours(
        backbone.channel, settings.context, settings.scene, settings.vehicles, metrics
    )
    envelope = Envelope(settings.answers_key.get_secret_value())
    fire_rooms = {room.name for room in settings.rooms if "119" in room.desks}
    gatherer = Gatherer(
        database,
        Revising(database, ledger, neighbours, settings.context),
        Answering(
            database,
            neighbours,
            settings.context,
            settings.scene,
            settings.vehicles,
            settings.cases,
            fire_rooms,
            envelope,
        ),
        settings.context,
        stopping,
    )

    def connect(room: RoomSettings) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            sender = Party(settings.send_code, settings.system_code)
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
                session = RoomSession(room, sender, http, settings.delivery.timeout_seconds)
                await Connector(
                    room.name, session, settings.delivery, database, metrics, stopping, envelope
                ).run()

        return run

    return Service(
        servicers=[(stubs.add_EmergencyServiceServicer_to_server, servicer, SERVICE)],
        subscriptions=subscriptions(ledger, metrics, dispatcher, Readings(ledger, rules)),
        routes=scsns.routes(),
        tasks={f"room {room.name}": connect(room) for room in settings.rooms}
        | {
            "queue gauge": lambda: tasks.measure_queues(
                database, metrics, [room.name for room in settings.rooms], stopping
            ),
            "context": gatherer.run,
            "completion": lambda: tasks.complete_automatically(database, ledger, after, stopping),
        },
    )
