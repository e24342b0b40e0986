"""Wires the part once."""

from datetime import UTC, datetime

from aiohttp import web
from city.cameras.v1.detection_pb2_grpc import add_DetectionServiceServicer_to_server
from city_backbone.rpc.admission import Admission
from city_backbone.runtime import Backbone, Service

from cameras.directory import Directory
from cameras.ingest import mapping
from cameras.ingest.holding import Holding
from cameras.ingest.http import PATH, NotifyEndpoint
from cameras.ingest.intake import Intake, Urgent
from cameras.ingest.notifications import Notifications
from cameras.ingest.rpc import NAME, DetectionServicer
from cameras.settings import CamerasSettings


def ingest(backbone: Backbone[CamerasSettings], directory: Directory, urgent: Urgent) -> Service:
    """The part of the service; nothing has started yet. Raises SettingsError."""
    settings, database, meter = backbone.settings.ingest, backbone.database, backbone.meter
    topics = mapping.load(settings.onvif_topics_file)
    intake = Intake(directory, backbone.direct, urgent, meter, _now, settings.refresh_seconds)
    notifications = Notifications(topics, intake, database, meter, _now, settings.max_parked)
    endpoint = NotifyEndpoint(
        notifications,
        settings.onvif_key,
        settings.max_notification_bytes,
        settings.read_seconds,
        meter,
    )
    holding = Holding(database, intake, meter, _now, settings.hold_seconds, settings.parked_days)
    servicer = DetectionServicer(intake, Admission(settings.max_calls))
    return Service(
        servicers=[(add_DetectionServiceServicer_to_server, servicer, NAME)],
        routes=[web.post(PATH, endpoint.notify)],
        tasks={"hold states": lambda: holding.run(backbone.stopping, settings.hold_every_seconds)},
    )


def _now() -> datetime:
    return datetime.now(UTC)
