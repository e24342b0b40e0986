"""A kiosk and its devices."""

from dataclasses import dataclass

from city_backbone.geo import Point

from health.errors import Invalid
from health.measuring.measurement import Code, Measurement


@dataclass(frozen=True, slots=True)
class Device:
    """`codes` is what it measures."""

    device_id: str
    codes: tuple[Code, ...]
    model: str


@dataclass(frozen=True, slots=True)
class Kiosk:
    """`place` is in words, `zone` the health-care zone."""

    kiosk_id: str
    place: str
    zone: str
    position: Point
    devices: tuple[Device, ...]

    def must_measure(self, measurement: Measurement) -> None:
        """Raises Invalid unless it has the device, and that measures the code."""
        device = next((one for one in self.devices if one.device_id == measurement.device_id), None)
        if device is None:
            raise Invalid("device_id", f"expected a device of kiosk {self.kiosk_id}")
        if measurement.code not in device.codes:
            raise Invalid("code", f"expected what device {device.device_id} measures")
