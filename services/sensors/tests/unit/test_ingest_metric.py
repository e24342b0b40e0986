"""Readings are counted by status and by the first reason."""

from datetime import UTC, datetime
from typing import cast

from city_backbone.outbox import Outbox
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric, Sum
from sensors.domain.quality import Problem, Reason
from sensors.ingest import READINGS_METRIC, Ingest, Result, Status


def test_counted_by_status_and_reason() -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("sensors")
    ingest = Ingest(cast(Outbox, None), meter, lambda: datetime.now(UTC))
    out_of_range = Problem(Reason.OUT_OF_RANGE, "measurements[0].value", "9 is too much")
    ingest.count(
        [
            Result(Status.ACCEPTED),
            Result(Status.ACCEPTED),
            Result(Status.ACCEPTED, (out_of_range,)),
            Result(Status.REFUSED, (out_of_range,)),
            Result(Status.DUPLICATE),
        ]
    )
    data = reader.get_metrics_data()
    assert data is not None
    metric: Metric = data.resource_metrics[0].scope_metrics[0].metrics[0]
    assert metric.name == READINGS_METRIC
    assert isinstance(metric.data, Sum)
    counted = {
        (point.attributes["status"], point.attributes["reason"]): point.value
        for point in metric.data.data_points
        if point.attributes
    }
    assert counted == {
        ("accepted", "none"): 2,
        ("accepted", "out_of_range"): 1,
        ("refused", "out_of_range"): 1,
        ("duplicate", "none"): 1,
    }
