"""Wires the department once."""

from datetime import UTC, datetime

from city.sensors.v1.sensors_pb2_grpc import add_SensorsServiceServicer_to_server
from city_backbone.rpc.admission import Admission
from city_backbone.runtime import Backbone, Service
from city_backbone.timers import every

from sensors.ingest import Ingest
from sensors.processing import Processing
from sensors.registering import Registering
from sensors.rpc import NAME, SensorsServicer
from sensors.settings import SensorsSettings
from sensors.silences import Silences
from sensors.stream import subscriptions


async def bootstrap(backbone: Backbone[SensorsSettings]) -> Service:
    """The department's servicer, subscription and timers on an open backbone."""
    settings, database, outbox = backbone.settings, backbone.database, backbone.outbox
    processing = Processing(outbox, settings.lateness, _now)
    silences = Silences(outbox, backbone.meter, _now)
    servicer = SensorsServicer(
        database,
        backbone.idempotency,
        Ingest(outbox, backbone.meter, _now),
        Admission(settings.max_calls),
        Registering(outbox, _now),
        backbone.stopping,
        settings.watch_every_seconds,
    )
    return Service(
        servicers=[(add_SensorsServiceServicer_to_server, servicer, NAME)],
        subscriptions=subscriptions(processing),
        tasks={
            "close hours": every(
                settings.close_every_seconds, processing.close_due, database, backbone.stopping
            ),
        },
        # While no readings are taken in, no station is found silent.
        serving_tasks={
            "find silences": every(
                settings.silence_every_seconds, silences.tell, database, backbone.stopping
            ),
        },
    )


def _now() -> datetime:
    return datetime.now(UTC)
