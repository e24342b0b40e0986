"""The part's events, in the form of their schemas under events/."""

from datetime import datetime
from typing import Any

from city_backbone.events import OutgoingEvent, event_id

from cameras.estate.camera import Camera
from cameras.estate.presence import PresenceStatus

CAMERA_OFFLINE = "cameras.camera-offline.v1"
CAMERA_ONLINE = "cameras.camera-online.v1"


def presence_changed(camera: Camera, now: datetime) -> OutgoingEvent:
    """The camera is online or offline from now on.

    Between two changes to the same status there is always a newer heartbeat, so that one and the
    status make the event's id.
    """
    presence = camera.presence
    online = presence.status is PresenceStatus.ONLINE
    topic = CAMERA_ONLINE if online else CAMERA_OFFLINE
    data: dict[str, Any] = {
        "camera_id": camera.camera_id,
        "site_id": camera.site_id,
        "purpose": camera.purpose.value,
        "changed_at": now,
    }
    if online:
        data["heard_since"] = presence.heard_since
    else:
        data["last_heard_at"] = presence.last_heard_at
    identity = event_id(topic, camera.camera_id, presence.last_heard_at)
    return OutgoingEvent(topic, camera.camera_id, identity, now, data)
