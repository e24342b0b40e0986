"""Of errors only their status leaves the process."""

from contextlib import suppress

from city_backbone.telemetry import Wordless
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode


def test_what_an_error_says_is_not_exported() -> None:
    exported = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Wordless(exported)))
    tracer = provider.get_tracer("t")
    with (
        suppress(ValueError),
        tracer.start_as_current_span("a", attributes={"kept": 1}) as span,
    ):
        raise ValueError("canary")
    (found,) = exported.get_finished_spans()
    assert "canary" not in found.to_json()
    assert (found.name, found.status.status_code) == ("a", StatusCode.ERROR)
    assert dict(found.attributes or {}) == {"kept": 1}
    assert found.get_span_context() == span.get_span_context()
