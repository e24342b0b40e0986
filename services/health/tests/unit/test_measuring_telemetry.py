"""Metrics tell how much is measured, and nothing of what."""

from typing import Any

from health.measuring.telemetry import Metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader


def test_only_origins_and_outcomes_are_labels() -> None:
    reader = InMemoryMetricReader()
    metrics = Metrics(MeterProvider([reader]).get_meter("health"))
    metrics.stored(0, kiosk=True)
    metrics.stored(2, kiosk=True)
    metrics.stored(3, kiosk=False)
    for outcome in ("told", "late", "late", "nowhere"):
        metrics.acute(outcome)
    data: Any = reader.get_metrics_data()
    found = {
        (metric.name, *dict(point.attributes).items()): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }
    assert found == {
        ("city.health.measurements_stored", ("origin", "kiosk")): 2,
        ("city.health.measurements_stored", ("origin", "fhir")): 3,
        ("city.health.acute_readings", ("outcome", "told")): 1,
        ("city.health.acute_readings", ("outcome", "late")): 2,
        ("city.health.acute_readings", ("outcome", "nowhere")): 1,
    }
