"""Wires the part once."""

from collections.abc import Callable
from datetime import datetime

from city.parking.v1.ledger_pb2_grpc import add_LedgerServiceServicer_to_server
from city_backbone.runtime import Backbone, Service
from city_backbone.timers import every

from parking.clock import utc_now
from parking.ledger.books import Books
from parking.ledger.rpc import NAME, LedgerServicer
from parking.ledger.rules import Rules
from parking.ledger.sealing import Sealing
from parking.ledger.seeds import seeds
from parking.settings import ParkingSettings


def books(backbone: Backbone[ParkingSettings], clock: Callable[[], datetime] = utc_now) -> Books:
    """For the parts whose acts cost money. Raises SettingsError."""
    return Books(backbone.outbox, _rules(backbone), clock)


def ledger(backbone: Backbone[ParkingSettings], clock: Callable[[], datetime] = utc_now) -> Service:
    """The part of the service; nothing has started yet. Raises SettingsError."""
    database, seconds = backbone.database, backbone.settings.ledger.seal_every_seconds
    servicer = LedgerServicer(database, backbone.idempotency, _rules(backbone), clock)
    sealing = Sealing(backbone.outbox, clock)
    return Service(
        servicers=[(add_LedgerServiceServicer_to_server, servicer, NAME)],
        tasks={"seal ledger": every(seconds, sealing.seal, database, backbone.stopping)},
    )


def _rules(backbone: Backbone[ParkingSettings]) -> Rules:
    return Rules(seeds(backbone.settings.ledger.split_rules_file))
