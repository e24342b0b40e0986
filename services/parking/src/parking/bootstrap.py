"""Wires the department once: lots, ledger, occupancy, bookings and the vault."""

from city_backbone.runtime import Backbone, Service

from parking.bookings.wiring import bookings
from parking.ledger.wiring import ledger
from parking.lots.wiring import lots
from parking.occupancy.wiring import occupancy
from parking.settings import ParkingSettings
from parking.vault.wiring import vault


async def bootstrap(backbone: Backbone[ParkingSettings]) -> Service:
    """The department's parts; nothing has started yet."""
    parts = [
        lots(backbone),
        ledger(backbone),
        occupancy(backbone),
        bookings(backbone),
        vault(backbone),
    ]
    return Service(
        servicers=[servicer for part in parts for servicer in part.servicers],
        subscriptions=[subscription for part in parts for subscription in part.subscriptions],
        routes=[route for part in parts for route in part.routes],
        tasks={name: run for part in parts for name, run in part.tasks.items()},
    )
