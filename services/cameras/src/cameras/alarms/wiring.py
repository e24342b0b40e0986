"""Wires the part once."""

from datetime import UTC, datetime

from city.cameras.v1 import alarm_pb2_grpc as stubs
from city_backbone.runtime import Backbone, Service
from city_backbone.stream.subscription import Subscription
from city_backbone.timers import every

from cameras.alarms import facts, tasks
from cameras.alarms.ledger import Ledger
from cameras.alarms.rpc import SERVICE, AlarmServicer
from cameras.alarms.store_rules import Rules
from cameras.alarms.stream import Detections
from cameras.alarms.telemetry import Metrics
from cameras.settings import CamerasSettings

# Of what alarms nobody but an operator; what a person does before an alarm takes longer.
_LINGER_SECONDS = 0.5
# So often is looked whether the rules that calls are judged by are old.
_LOOK_SECONDS = 1.0


def alarms(backbone: Backbone[CamerasSettings], rules: Rules) -> Service:
    """The part of the service; nothing has started yet."""
    settings, database, stopping = backbone.settings.alarms, backbone.database, backbone.stopping
    metrics = Metrics(backbone.meter)
    ledger = Ledger(backbone.outbox, metrics)
    detections = Detections(rules, ledger, metrics, _now)
    servicer = AlarmServicer(
        database, backbone.idempotency, ledger, settings.watch_every_seconds, stopping
    )
    return Service(
        servicers=[(stubs.add_AlarmServiceServicer_to_server, servicer, SERVICE)],
        subscriptions=[
            Subscription(
                facts.OBJECT_DETECTED,
                detections.handle,
                # Hot: what a detection did is in the state it would change again, and most do
                # nothing.
                once=False,
                relevant=detections.relevant,
                linger=_LINGER_SECONDS,
                urgent=detections.urgent,
            )
        ],
        tasks={
            "alarm escalation": lambda: tasks.escalate_automatically(
                database, ledger, settings.escalate_every_seconds, _now, stopping
            ),
            "idle watches": lambda: tasks.forget_idle(database, _now, stopping),
        },
        serving_tasks={"alarm rules": every(_LOOK_SECONDS, rules.refresh, database, stopping)},
    )


def _now() -> datetime:
    return datetime.now(UTC)
