"""What emergency reads from Kafka."""

from collections.abc import Sequence

from city_backbone.database import Connection
from city_backbone.errors import Unprocessable
from city_backbone.events import Event
from city_backbone.stream.worker import Subscription

from emergency.domain.air import AirAlert
from emergency.errors import AlertUnusable
from emergency.handlers import apply_air_alerts
from emergency.ledger import Ledger
from emergency.telemetry import Metrics

AIR_ALERT_CHANGED = "sensors.air-alert-changed.v1"


def subscriptions(ledger: Ledger, metrics: Metrics) -> Sequence[Subscription]:
    """Air alerts open, change and clear incidents."""

    async def on_air_alerts(connection: Connection, events: Sequence[Event]) -> None:
        try:
            alerts = [AirAlert.read(event.data) for event in events]
        except AlertUnusable as error:
            raise Unprocessable(str(error)) from error
        await apply_air_alerts(connection, ledger, metrics, alerts)

    return [Subscription(AIR_ALERT_CHANGED, on_air_alerts)]
