"""Wires the part once."""

from datetime import timedelta

from city.parking.v1.occupancy_pb2_grpc import add_OccupancyServiceServicer_to_server
from city_backbone.runtime import Backbone, Service
from city_backbone.timers import every

from parking.clock import utc_now
from parking.occupancy.bay_states import BayStates
from parking.occupancy.counting import Counting
from parking.occupancy.forgetting import Forgetting
from parking.occupancy.judging import Judging
from parking.occupancy.readings import Readings
from parking.occupancy.rpc import NAME, OccupancyServicer
from parking.settings import ParkingSettings

_FORGET_SECONDS = 60.0


def bay_states(backbone: Backbone[ParkingSettings]) -> BayStates:
    """For the parts that claim bays, or change them."""
    return BayStates(backbone.outbox)


def occupancy(backbone: Backbone[ParkingSettings]) -> Service:
    """The part of the service; nothing has started yet."""
    settings, database, stopping = (
        backbone.settings.occupancy,
        backbone.database,
        backbone.stopping,
    )
    states = bay_states(backbone)
    readings = Readings(states, backbone.meter, utc_now)
    servicer = OccupancyServicer(database, backbone.idempotency, states, readings, utc_now)
    counting = Counting(backbone.outbox, utc_now)
    grace = timedelta(seconds=settings.dispute_grace_seconds)
    judging = Judging(backbone.outbox, grace, backbone.meter, utc_now)
    forgetting = Forgetting(timedelta(days=settings.reading_days), utc_now)
    return Service(
        servicers=[(add_OccupancyServiceServicer_to_server, servicer, NAME)],
        tasks={
            "count lots": every(settings.count_every_seconds, counting.count, database, stopping),
            "judge bays": every(settings.judge_every_seconds, judging.judge, database, stopping),
            "forget readings": every(_FORGET_SECONDS, forgetting.forget, database, stopping),
        },
    )
