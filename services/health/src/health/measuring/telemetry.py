"""The part's metrics, each named once. No code and no level: what is measured is health data."""

from opentelemetry.metrics import Meter


class Metrics:
    """Counters; labels of bounded sets."""

    def __init__(self, meter: Meter) -> None:
        self._stored = meter.create_counter(
            "city.health.measurements_stored",
            description="Measurements stored, by origin: kiosk, fhir",
        )
        self._acute = meter.create_counter(
            "city.health.acute_readings",
            description="Acute sessions by outcome: told (119 is told), late (taken too long ago),"
            " nowhere (of no kiosk, so nobody can be sent)",
        )

    def stored(self, count: int, *, kiosk: bool) -> None:
        if count:
            self._stored.add(count, {"origin": "kiosk" if kiosk else "fhir"})

    def acute(self, outcome: str) -> None:
        self._acute.add(1, {"outcome": outcome})
