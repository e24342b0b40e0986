"""Carrying a trace over what has no call: a queue in the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.propagate import extract, inject

_tracer = trace.get_tracer("city_backbone")


def current_traceparent() -> str | None:
    """W3C `traceparent` of the current span; None when it is not sampled."""
    if not trace.get_current_span().get_span_context().trace_flags.sampled:
        return None
    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continued(name: str, traceparent: str | None) -> Iterator[trace.Span]:
    """A span in the trace of `traceparent`, not recorded without one.

    What an error says is not put into the span: it may quote personal data.
    """
    if traceparent is None:
        yield trace.INVALID_SPAN
        return
    context = extract({"traceparent": traceparent})
    with _tracer.start_as_current_span(
        name, context, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span
