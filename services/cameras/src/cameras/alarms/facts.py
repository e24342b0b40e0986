"""The part's events, in the form of their schemas under events/."""

from typing import Any

from city_backbone.events import OutgoingEvent, event_id

from cameras.alarms.alarm import AUTOMATIC, Alarm, Status

OBJECT_DETECTED = "cameras.object-detected.v1"
ALARM_RAISED = "cameras.alarm-raised.v1"
ALARM_CHANGED = "cameras.alarm-changed.v1"
ALARM_ESCALATED = "cameras.alarm-escalated.v1"


def told(before: Alarm | None, after: Alarm) -> list[OutgoingEvent]:
    """What a new revision tells; the same revision has the same event ids."""
    if before is None:
        return [_raised(after)]
    events = [_changed(after)]
    if after.status is Status.ESCALATED and before.status is not Status.ESCALATED:
        events.append(_escalated(after))
    return events


def _raised(alarm: Alarm) -> OutgoingEvent:
    return _event(
        ALARM_RAISED,
        alarm,
        {
            **_common(alarm),
            "persisted_at": alarm.persisted_at,
            "witnesses": _witnesses(alarm),
            "detection_ids": list(alarm.detection_ids),
        },
    )


def _changed(alarm: Alarm) -> OutgoingEvent:
    return _event(
        ALARM_CHANGED,
        alarm,
        {
            "alarm_id": str(alarm.id),
            "site_id": alarm.site.site_id,
            "revision": alarm.revision,
            "status": str(alarm.status),
            "occurred_at": alarm.occurred_at,
            "witnesses": _witnesses(alarm),
            "changed_at": alarm.changed_at,
            "changed_by": alarm.changed_by,
            "reason": alarm.reason,
        },
    )


def _escalated(alarm: Alarm) -> OutgoingEvent:
    return _event(
        ALARM_ESCALATED,
        alarm,
        {
            **_common(alarm),
            "escalated_at": alarm.changed_at,
            "escalated_by": alarm.changed_by,
            "automatic": alarm.changed_by == AUTOMATIC,
            "reason": alarm.reason,
            "camera_ids": list(dict.fromkeys(one.camera_id for one in alarm.witnesses)),
        },
    )


def _event(topic: str, alarm: Alarm, data: dict[str, Any]) -> OutgoingEvent:
    return OutgoingEvent(
        topic,
        alarm.site.site_id,
        event_id(topic, alarm.id, alarm.revision),
        alarm.changed_at,
        data,
    )


def _common(alarm: Alarm) -> dict[str, Any]:
    site = alarm.site
    return {
        "alarm_id": str(alarm.id),
        "kind": alarm.kind,
        "site_id": site.site_id,
        "place": site.place,
        "purpose": alarm.purpose,
        "latitude": site.latitude,
        "longitude": site.longitude,
        "urgency": alarm.urgency,
        "occurred_at": alarm.occurred_at,
        "rule_id": alarm.rule_id,
        "rule_version": alarm.rule_version,
    }


def _witnesses(alarm: Alarm) -> list[dict[str, Any]]:
    return [
        {
            "camera_id": one.camera_id,
            "track_id": one.track_id,
            "first_detected_at": one.first_detected_at,
        }
        for one in alarm.witnesses
    ]
