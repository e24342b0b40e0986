"""Wires the part once."""

from datetime import UTC, datetime, timedelta

from city.cameras.v1.camera_pb2_grpc import add_CameraServiceServicer_to_server
from city_backbone.runtime import Backbone, Service

from cameras.directory import Directory
from cameras.estate.heartbeats import Heartbeats
from cameras.estate.judging import Judging
from cameras.estate.presence import Rule
from cameras.estate.rpc import NAME, CameraServicer
from cameras.settings import CamerasSettings

# Of the service's own turns; more than so many missed in a row is an outage of ours.
_MISSED_TURNS = 3


def estate(backbone: Backbone[CamerasSettings], directory: Directory) -> Service:
    """The part of the service; nothing has started yet."""
    settings, database = backbone.settings.presence, backbone.database
    rule = Rule(timedelta(seconds=settings.offline_after_seconds), settings.online_heartbeats)
    longest_break = timedelta(seconds=_MISSED_TURNS * settings.check_every_seconds)
    heartbeats = Heartbeats(rule, backbone.meter, _now)
    judging = Judging(backbone.outbox, rule, longest_break, backbone.meter, _now)
    servicer = CameraServicer(database, backbone.idempotency, directory, heartbeats)
    return Service(
        servicers=[(add_CameraServiceServicer_to_server, servicer, NAME)],
        # Whoever judges that nothing was heard must have been there to hear it.
        serving_tasks={
            "judge presence": judging.task(
                settings.check_every_seconds, database, backbone.stopping
            )
        },
    )


def _now() -> datetime:
    return datetime.now(UTC)
