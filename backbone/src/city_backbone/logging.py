"""Structured logs: a console on a terminal, JSON lines elsewhere."""

import logging
import math
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog
from opentelemetry import trace

_SELDOM_SECONDS = 10.0


def _add_trace(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        fields["trace_id"] = f"{context.trace_id:032x}"
        fields["span_id"] = f"{context.span_id:016x}"
    return fields


def _places(error: BaseException) -> str:
    """Where an error and its causes were raised, and their types; a message may quote an event."""
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [*traceback.format_tb(error.__traceback__), f"{type(error).__qualname__}\n"]
    return "".join(lines + [f"\n{_places(other)}" for other in (*parts, cause) if other])


class Seldom(logging.Filter):
    """Of a library that tries again and again, what one line of it says: once in `seconds`, then
    with how often it was left out.

    aiokafka has five lines for each of ten tries a second while a broker is away.
    """

    def __init__(self, library: str, seconds: float) -> None:
        super().__init__(library)
        self._seconds = seconds
        self._told: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):  # of another library
            return True
        place = record.pathname, record.lineno
        last, left_out = self._told.get(place, (-math.inf, 0))
        if record.created - last < self._seconds:
            self._told[place] = last, left_out + 1
            return False
        self._told[place] = record.created, 0
        if left_out:
            record.msg = f"{record.msg} ({left_out} more like it in between)"
        return True


def configure(department: str, level: int = logging.INFO) -> None:
    """Send every log record, ours and the libraries', to standard output once.

    Exceptions are shown without their messages, so that no personal data is logged. Called after
    Faust is imported: it leaves the root logger at DEBUG otherwise.
    """

    def add_origin(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        fields.setdefault("service", department)
        fields.setdefault("department", department)
        return fields

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_origin,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        structlog.processors.ExceptionRenderer(lambda info: _places(info[1])),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stdout.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(Seldom("aiokafka", _SELDOM_SECONDS))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("faust", "mode", "aiokafka", "aiohttp.access", "yoyo"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # A streaming call whose client goes away ends in another context than it began in; nothing is
    # lost, and OpenTelemetry would log a traceback for each.
    logging.getLogger("opentelemetry.context").setLevel(logging.CRITICAL)
