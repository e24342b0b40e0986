"""A measurement as it is kept: sealed under the person's key, all of one length."""

import json
from datetime import datetime
from typing import Any

from health.measuring.measurement import Code, Measurement
from health.people.sealing import PersonalBox

FIELD = "measurement"

# More than any plausible measurement has. The length of a ciphertext is that of its content, so
# without filling it up it would tell a blood pressure from a temperature.
_CHARACTERS = 448


def seal(box: PersonalBox, measurement: Measurement, kiosk_id: str | None) -> bytes:
    """Of a plausible measurement."""
    content: dict[str, Any] = {
        "code": measurement.code.value,
        "value": measurement.value,
        "diastolic": measurement.diastolic,
        "fasting": measurement.fasting,
        "taken_at": measurement.taken_at.isoformat(),
        "device_id": measurement.device_id,
        "kiosk_id": kiosk_id,
    }
    return box.seal(FIELD, {**content, "fill": "." * (_CHARACTERS - len(json.dumps(content)))})


def open_sealed(box: PersonalBox, sealed: bytes) -> Measurement:
    """Raises Unreadable."""
    content = box.open(FIELD, sealed)
    return Measurement(
        code=Code(content["code"]),
        value=content["value"],
        diastolic=content["diastolic"],
        fasting=content["fasting"],
        taken_at=datetime.fromisoformat(content["taken_at"]),
        device_id=content["device_id"],
    )
