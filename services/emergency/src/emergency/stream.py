"""What emergency reads from Kafka."""

from collections.abc import Sequence

from city_backbone.database import Connection
from city_backbone.errors import Unprocessable
from city_backbone.events import Event
from city_backbone.stream.subscription import Subscription

from emergency.alarms import Dispatcher
from emergency.domain.acute import AcuteReading
from emergency.domain.air import AirAlert
from emergency.domain.alarm import Alarm
from emergency.errors import AlarmUnusable, AlertUnusable, ReadingUnusable
from emergency.handlers import apply_air_alerts
from emergency.ledger import Ledger
from emergency.readings import Readings
from emergency.telemetry import Metrics

AIR_ALERT_CHANGED = "sensors.air-alert-changed.v1"
ALARM_ESCALATED = "cameras.alarm-escalated.v1"
ACUTE_READING_DETECTED = "health.acute-reading-detected.v1"


def subscriptions(
    ledger: Ledger, metrics: Metrics, dispatcher: Dispatcher, readings: Readings
) -> Sequence[Subscription]:
    """Air alerts open, change and clear incidents; alarms open them and merge; acute readings open
    them."""

    async def on_air_alerts(connection: Connection, events: Sequence[Event]) -> None:
        try:
            alerts = [AirAlert.read(event.data) for event in events]
        except AlertUnusable as error:
            raise Unprocessable(str(error)) from error
        await apply_air_alerts(connection, ledger, metrics, alerts)

    async def on_alarms(connection: Connection, events: Sequence[Event]) -> None:
        try:
            alarms = [Alarm.read(event.data) for event in events]
        except AlarmUnusable as error:
            raise Unprocessable(str(error)) from error
        await dispatcher.apply(connection, alarms)

    async def on_acute_readings(connection: Connection, events: Sequence[Event]) -> None:
        try:
            acute = [AcuteReading.read(event.data) for event in events]
        except ReadingUnusable as error:
            raise Unprocessable(str(error)) from error
        await readings.apply(connection, acute)

    return [
        Subscription(AIR_ALERT_CHANGED, on_air_alerts),
        Subscription(ALARM_ESCALATED, on_alarms),
        Subscription(ACUTE_READING_DETECTED, on_acute_readings),
    ]
