"""Wires the part once."""

from collections.abc import Callable
from datetime import datetime

from city.health.v1.kiosk_pb2_grpc import add_KioskServiceServicer_to_server
from city_backbone.runtime import Backbone, Service

from health.clock import utc_now
from health.kiosks.desk import Desk
from health.kiosks.rpc import NAME, KioskServicer
from health.measuring.wiring import intake
from health.people.wiring import directory
from health.settings import HealthSettings

# Between two measurements people roll up a sleeve and read what the screen says.
IDLE_SECONDS = 120.0
# Of the calls the server carries at once; the rest is for responders, people and the office.
_SHARE_OF_CALLS = 0.75


def kiosks(
    backbone: Backbone[HealthSettings],
    clock: Callable[[], datetime] = utc_now,
    idle_seconds: float = IDLE_SECONDS,
) -> Service:
    """The part of the service; nothing has started yet."""
    desk = Desk(backbone.database, directory(backbone), intake(backbone, clock), clock)
    servicer = KioskServicer(
        backbone.database,
        backbone.idempotency,
        desk,
        backbone.stopping,
        most_streams=max(1, int(backbone.settings.grpc.max_concurrent_calls * _SHARE_OF_CALLS)),
        idle_seconds=idle_seconds,
    )
    return Service(servicers=[(add_KioskServiceServicer_to_server, servicer, NAME)])
