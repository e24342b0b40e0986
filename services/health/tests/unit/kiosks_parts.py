"""Readings to test with."""

from datetime import UTC, datetime

from health.measuring.measurement import Code, Measurement

NOW = datetime(2026, 11, 25, 1, tzinfo=UTC)


def reading(
    code: Code,
    value: float,
    diastolic: float | None = None,
    fasting: bool | None = None,
    taken_at: datetime = NOW,
    device_id: str = "device-1",
) -> Measurement:
    return Measurement(code, value, diastolic, fasting, taken_at, device_id)
