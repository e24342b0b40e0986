"""The part's event, in the form of its schema under events/."""

from datetime import UTC, datetime, timedelta

from city_backbone.events import OutgoingEvent, event_id

from cameras.directory import CameraPlace
from cameras.ingest.detection import Detection

OBJECT_DETECTED = "cameras.object-detected.v1"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def object_detected(
    detection: Detection, place: CameraPlace, received_at: datetime
) -> OutgoingEvent:
    """Of a detection that passed its check; sent again, it has the same id."""
    camera_id, kind, track_id, confidence, box, micros = detection
    assert micros is not None
    identity = event_id("detection", camera_id, kind, track_id, micros)
    detected_at = _EPOCH + timedelta(microseconds=micros)
    return OutgoingEvent(
        OBJECT_DETECTED,
        place.site_id,
        identity,
        detected_at,
        {
            "detection_id": str(identity),
            "camera_id": camera_id,
            "site_id": place.site_id,
            "purpose": place.purpose,
            "kind": kind,
            "track_id": track_id,
            "confidence": confidence,
            "box": None if box is None else box._asdict(),
            "detected_at": detected_at,
            "received_at": received_at,
        },
    )


def micros(time: datetime) -> int:
    """An aware time as µs since 1970 UTC, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def moment(micros_since_1970: int) -> datetime:
    """The reverse of micros()."""
    return _EPOCH + timedelta(microseconds=micros_since_1970)
