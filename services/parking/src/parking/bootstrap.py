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
    return Service.of(
        [
            lots(backbone),
            ledger(backbone),
            occupancy(backbone),
            bookings(backbone),
            vault(backbone),
        ]
    )
