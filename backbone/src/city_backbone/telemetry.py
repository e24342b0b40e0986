"""Names of metrics and spans in one place, after OpenTelemetry's semantic conventions 1.37."""

import os
from collections.abc import Callable, Sequence
from importlib.metadata import packages_distributions, version
from typing import TypeAlias

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Meter, Observation
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
JOINED = "city.stream.joined"  # 1 while the process is a member of its consumer group
LIVE = "city.service.live"  # 0 when a part has stalled or failed: the process is to start anew
READY = "city.service.ready"  # as /readyz
BUILD = "city.build.info"  # always 1, by version and role
CERTIFICATE_EXPIRY = "city.certificate.expiry"  # seconds since 1970, of the certificate in use
BREAKER = "city.rpc.breaker"  # 0 closed, 1 half-open, 2 open, by the neighbour that is called

# Bounds of histograms in seconds: those of the semantic conventions for RPC and messaging.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

SAMPLED_SHARE = 0.01
# The last spans must not keep a process that is to end: one without a collector gives them up.
_EXPORT_SECONDS = 2

#: Names what is wrong; nothing when all is well.
Problems: TypeAlias = Callable[[], Sequence[str]]


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


def describe(
    meter: Meter,
    package: str,
    role: str,
    dead: Problems,
    unready: Problems,
    certificate_expires: Callable[[], float],
) -> None:
    """The process as a whole: what it is, whether it is live and ready, how long it may call."""
    installed = packages_distributions().get(package)
    about = {"version": version(installed[0]) if installed else "", "role": role}

    def observe(name: str, value: Callable[[], float], unit: str = "") -> None:
        meter.create_observable_gauge(name, [lambda _: [Observation(value())]], unit=unit)

    meter.create_gauge(BUILD).set(1, about)
    observe(LIVE, lambda: int(not dead()))
    observe(READY, lambda: int(not unready()))
    observe(CERTIFICATE_EXPIRY, certificate_expires, "s")


def configure(department: str, instance: str) -> tuple[MeterProvider, TracerProvider]:
    """Set the global providers. Prometheus always has the metrics; by OTLP go traces, and metrics
    to an endpoint of their own, when the SDK's variables name one.
    """
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
    if os.environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"):
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter(timeout=_EXPORT_SECONDS)))
    if any(os.environ.get(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT") for kind in ("", "TRACES_")):
        exporter = Wordless(OTLPSpanExporter(timeout=_EXPORT_SECONDS))
        tracing.add_span_processor(BatchSpanProcessor(exporter))
    meters = MeterProvider(metric_readers=readers, resource=resource)
    metrics.set_meter_provider(meters)
    trace.set_tracer_provider(tracing)
    return meters, tracing
