"""The part's events, in the form of their schemas under events/."""

from datetime import datetime
from uuid import UUID

from city_backbone.events import OutgoingEvent, event_id

from health.assessment.acute import Acute
from health.measuring.store import Kept, Place

MEASUREMENT_TAKEN = "health.measurement-taken.v1"
ACUTE_READING_DETECTED = "health.acute-reading-detected.v1"


def measurement_taken(person_id: UUID, kept: Kept, stored_at: datetime) -> OutgoingEvent:
    """Once per measurement."""
    key = str(kept.measurement_id)
    return OutgoingEvent(
        MEASUREMENT_TAKEN,
        key,
        event_id(MEASUREMENT_TAKEN, key),
        stored_at,
        {
            "measurement_id": key,
            "person_id": str(person_id),
            "sealed": kept.sealed,
            "stored_at": stored_at,
        },
    )


def acute_reading_detected(
    case_id: UUID,
    place: Place,
    found: Acute,
    rule_version: int,
    taken_at: datetime,
    detected_at: datetime,
) -> OutgoingEvent:
    """Once per case; of the person nothing."""
    assert found.severity is not None
    key = str(case_id)
    return OutgoingEvent(
        ACUTE_READING_DETECTED,
        key,
        event_id(ACUTE_READING_DETECTED, key),
        detected_at,
        {
            "case_id": key,
            "kiosk_id": place.kiosk_id,
            "place": place.place,
            "zone": place.zone,
            "latitude": place.position.latitude,
            "longitude": place.position.longitude,
            "severity": found.severity.value,
            "score": found.score,
            "rule_version": rule_version,
            "taken_at": taken_at,
            "detected_at": detected_at,
        },
    )
