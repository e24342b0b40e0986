"""The part's metrics, each named once."""

from opentelemetry.metrics import Meter


class Metrics:
    """Counters; labels of bounded sets."""

    def __init__(self, meter: Meter) -> None:
        self._requests = meter.create_counter(
            "city.health.fhir_requests",
            description="FHIR requests by interaction (send, search, metadata, other) and status",
        )

    def request(self, interaction: str, status: int) -> None:
        self._requests.add(1, {"interaction": interaction, "status": status})
