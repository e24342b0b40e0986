"""Sending probes on a schedule, each in a trace of its own."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from opentelemetry import trace

CALL_SECONDS = 10.0

_tracer = trace.get_tracer("loadtests.latency")


@dataclass(frozen=True, slots=True)
class Sent:
    """When it was to be sent, and when its sender had the answer that it is stored; None where
    the answer does not say that. Nanoseconds since 1970 UTC."""

    at: int
    answered: int | None = None


class Probe(Protocol):
    """What is sent into a department."""

    def must_fit(self, count: int, per_second: float) -> None:
        """Raises ValueError when so many would not stay apart."""

    async def prepare(self) -> None:
        """Make known to the department what probes are about."""

    async def send(self, number: int, due: float) -> tuple[str, Sent]:
        """Send one, not before `due`, seconds since 1970 UTC; the trace it is in."""


class Prober:
    """Sends probes, open loop."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.sent: dict[str, Sent] = {}
        """By trace."""

    async def run(self, count: int, per_second: float) -> None:
        """`count` probes; returns when all are acknowledged. Raises ValueError."""
        self._probe.must_fit(count, per_second)
        began = time.time()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                due = began + number / per_second
                await asyncio.sleep(max(0.0, due - time.time()))
                group.create_task(self._send(number, due))

    async def _send(self, number: int, due: float) -> None:
        trace_id, sent = await self._probe.send(number, due)
        self.sent[trace_id] = sent


@contextmanager
def traced() -> Iterator[str]:
    """What is called inside is in one sampled trace, whose id it yields."""
    with _tracer.start_as_current_span("probe") as span:
        yield f"{span.get_span_context().trace_id:032x}"


@contextmanager
def untraced() -> Iterator[None]:
    """What is called inside is in no trace that is kept."""
    unsampled = trace.NonRecordingSpan(
        trace.SpanContext(uuid4().int, uuid4().int >> 64, False, trace.TraceFlags(0))
    )
    with trace.use_span(unsampled):
        yield


def not_before(due: float) -> int:
    """Now, or `due` when that is still to come; nanoseconds since 1970 UTC."""
    return max(time.time_ns(), int(due * 1e9))
