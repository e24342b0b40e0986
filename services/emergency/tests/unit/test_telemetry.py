"""The department's metrics."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from emergency.domain.incident import Facts, Grade, Incident, Source, Status
from emergency.telemetry import Metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

AT = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def metrics(reader: InMemoryMetricReader) -> Metrics:
    return Metrics(MeterProvider(metric_readers=[reader]).get_meter("emergency"))


def values(reader: InMemoryMetricReader, name: str) -> dict[tuple[tuple[str, object], ...], float]:
    data = reader.get_metrics_data()
    assert data is not None
    return {
        tuple(sorted((point.attributes or {}).items())): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
        if isinstance(point, NumberDataPoint)
    }


def test_incidents_are_counted_by_a_bounded_kind(
    metrics: Metrics, reader: InMemoryMetricReader
) -> None:
    facts = Facts(Grade.URGENT, "화재", "", "")
    for kind in ("air.pm10", "112UC001", "missing-person", "health.acute", "own", "another"):
        metrics.changed(
            Incident(UUID(int=1), kind, Status.OCCURRED, facts, AT, AT, "x", Source("x", "1"))
        )
    assert values(reader, "city.emergency.incidents") == {
        (("kind", "air.pm10"), ("status", "OCCURRED")): 1,
        (("kind", "112UC001"), ("status", "OCCURRED")): 1,
        (("kind", "missing-person"), ("status", "OCCURRED")): 1,
        (("kind", "health.acute"), ("status", "OCCURRED")): 1,
        (("kind", "other"), ("status", "OCCURRED")): 2,
    }


def test_questions_to_neighbours_are_seen(metrics: Metrics, reader: InMemoryMetricReader) -> None:
    metrics.asked("cameras", "missing")
    assert values(reader, "city.emergency.context") == {
        (("city.department", "cameras"), ("outcome", "missing")): 1
    }


def test_rooms_are_seen(metrics: Metrics, reader: InMemoryMetricReader) -> None:
    metrics.attempted("disaster", "refused")
    metrics.pending({"disaster": 12.5, "112": 0})
    metrics.breaker("disaster", "opened")
    assert values(reader, "city.emergency.room.messages") == {
        (("outcome", "refused"), ("room", "disaster")): 1
    }
    assert values(reader, "city.emergency.room.oldest_pending_seconds") == {
        (("room", "disaster"),): 12.5,
        (("room", "112"),): 0,
    }
    assert values(reader, "city.emergency.room.breaker") == {(("room", "disaster"),): 2}
