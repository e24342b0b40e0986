"""An OTLP endpoint that keeps the spans it is sent."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2 as metrics,
)
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2_grpc as metrics_grpc,
)
from opentelemetry.proto.collector.trace.v1 import (
    trace_service_pb2 as traces,
)
from opentelemetry.proto.collector.trace.v1 import (
    trace_service_pb2_grpc as traces_grpc,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A span of a service; times in nanoseconds since 1970 UTC."""

    trace_id: str
    service: str
    name: str
    start: int
    end: int
    attributes: dict[str, str]


class Receiver(traces_grpc.TraceServiceServicer, metrics_grpc.MetricsServiceServicer):
    """Takes spans; metrics are let go."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    async def Export(self, request: Any, context: Any) -> Any:
        if isinstance(request, metrics.ExportMetricsServiceRequest):
            return metrics.ExportMetricsServiceResponse()
        self.spans += _spans(request)
        return traces.ExportTraceServiceResponse()


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver and its URL, for OTEL_EXPORTER_OTLP_ENDPOINT."""
    receiver = Receiver()
    server = grpc.aio.server()
    traces_grpc.add_TraceServiceServicer_to_server(receiver, server)
    metrics_grpc.add_MetricsServiceServicer_to_server(receiver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield receiver, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(1)


def _spans(request: Any) -> Iterator[Span]:
    for resource in request.resource_spans:
        names = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.trace_id.hex(),
                    names.get("service.name", ""),
                    span.name,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    {one.key: one.value.string_value for one in span.attributes},
                )
