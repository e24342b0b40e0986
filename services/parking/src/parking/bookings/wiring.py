"""Wires the part once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from city.parking.v1.booking_pb2_grpc import add_BookingServiceServicer_to_server
from city_backbone.runtime import Backbone, Service
from city_backbone.timers import every

from parking.bookings.bays import Bays
from parking.bookings.desk import Desk
from parking.bookings.journal import Journal
from parking.bookings.limits import limits
from parking.bookings.rpc import NAME, BookingServicer
from parking.bookings.sweep import Sweep
from parking.bookings.till import Till
from parking.clock import utc_now
from parking.ledger.wiring import books
from parking.occupancy.wiring import bay_states
from parking.settings import ParkingSettings


@dataclass(frozen=True)
class Parts:
    """Who moves bookings on: those who call, and the clock."""

    desk: Desk
    sweep: Sweep


def parts(backbone: Backbone[ParkingSettings], clock: Callable[[], datetime]) -> Parts:
    """Raises SettingsError."""
    bounds = limits(backbone.settings.bookings)
    till = Till(books(backbone, clock), bounds.grace)
    journal = Journal(backbone.outbox, till, bay_states(backbone), bounds)
    bays = Bays(till, bounds, clock)
    return Parts(Desk(bays, journal, bounds, clock), Sweep(bays, journal, bounds, clock))


def bookings(
    backbone: Backbone[ParkingSettings], clock: Callable[[], datetime] = utc_now
) -> Service:
    """The part of the service; nothing has started yet. Raises SettingsError."""
    database, stopping = backbone.database, backbone.stopping
    seconds = backbone.settings.bookings.sweep_every_seconds
    who = parts(backbone, clock)
    servicer = BookingServicer(database, backbone.idempotency, who.desk, clock)
    return Service(
        servicers=[(add_BookingServiceServicer_to_server, servicer, NAME)],
        tasks={
            "pass bookings on": every(seconds, who.sweep.pass_on, database, stopping),
            "settle departures": every(seconds, who.sweep.depart, database, stopping),
        },
    )
