"""Wires the part once."""

from collections.abc import Callable
from datetime import datetime

from city.parking.v1.lot_pb2_grpc import add_LotServiceServicer_to_server
from city_backbone.runtime import Backbone, Service

from parking.clock import utc_now
from parking.ledger.wiring import books
from parking.lots.alleys import Alleys
from parking.lots.http import LotMap
from parking.lots.importing import Importing
from parking.lots.rpc import NAME, LotServicer
from parking.occupancy.wiring import bay_states
from parking.settings import ParkingSettings


def lots(backbone: Backbone[ParkingSettings], clock: Callable[[], datetime] = utc_now) -> Service:
    """The part of the service; nothing has started yet."""
    servicer = LotServicer(
        backbone.database,
        backbone.idempotency,
        Importing(bay_states(backbone), clock),
        Alleys(books(backbone), clock),
        clock,
    )
    return Service(
        servicers=[(add_LotServiceServicer_to_server, servicer, NAME)],
        routes=LotMap(backbone.database).routes(),
    )
