"""Names of metrics and spans in one place, after OpenTelemetry's semantic conventions 1.37."""

import os
from collections.abc import Sequence

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Status

CONSUMED = "messaging.client.consumed.messages"  # events handled, by topic and outcome
PROCESS_DURATION = "messaging.process.duration"  # seconds per partition batch
SENT = "messaging.client.sent.messages"  # events the broker has confirmed, by topic
TIME_LAG = "city.stream.time_lag"  # seconds: now − event time handled last; 0 when caught up
PARKED = "city.stream.parked"  # events waiting for their schema
DEAD_LETTERS = "city.stream.dead_letters"  # events sent to a dead-letter topic, by topic
OUTBOX_AGE = "city.outbox.oldest_age"  # seconds the oldest unpublished event has waited
OUTBOX_REJECTED = "city.outbox.rejected"  # events the broker refused for good
DIRECT_DURATION = "messaging.client.operation.duration"  # seconds per call of Direct.publish
DIRECT_WAITING = "city.direct.waiting"  # events in the queue to be sent directly
RPC_SERVER_DURATION = "rpc.server.call.duration"  # seconds, by method and status

SAMPLED_SHARE = 0.01


class Wordless(SpanExporter):
    """What an error says may quote anything, so of errors only their status leaves the process."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Without events and without the words of a status."""
        return self._inner.export([_without_words(span) for span in spans])

    def shutdown(self) -> None:
        """Shut down what exports."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether all was exported in time."""
        return self._inner.force_flush(timeout_millis)


def _without_words(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def configure(department: str, instance: str) -> tuple[MeterProvider, TracerProvider]:
    """Set the global providers: Prometheus always, OTLP when its endpoint is in the environment."""
    resource = Resource.create(
        {
            "service.name": department,
            "service.namespace": "citymesh",
            "service.instance.id": instance,
        }
    )
    readers: list[MetricReader] = [PrometheusMetricReader()]
    tracing = TracerProvider(
        resource=resource, sampler=ParentBased(TraceIdRatioBased(SAMPLED_SHARE))
    )
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        tracing.add_span_processor(BatchSpanProcessor(Wordless(OTLPSpanExporter())))
    meters = MeterProvider(metric_readers=readers, resource=resource)
    metrics.set_meter_provider(meters)
    trace.set_tracer_provider(tracing)
    return meters, tracing
