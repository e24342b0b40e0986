"""Three histograms for each operation, a set for each second."""

from collections.abc import Callable
from typing import Literal

from hdrh.histogram import HdrHistogram

from loadtests.report.histograms import Interval

Measure = Literal["response", "service", "lag"]
MEASURES: tuple[Measure, ...] = ("response", "service", "lag")
LONGEST = 3_600_000_000
"""An hour, microseconds: what takes longer counts as that."""
DIGITS = 3
_MICROS = 1_000_000


def histogram() -> HdrHistogram:
    """Of microseconds; all of them can be added to each other."""
    return HdrHistogram(1, LONGEST, DIGITS)


def tag(operation: str, measure: Measure) -> str:
    # The log's format ends a tag at a comma.
    return f"{operation.replace(',', ';')}|{measure}"


class Recorder:
    """Calls in order of their end, which decides their second.

    `response` is counted from the instant a call was intended, so that what a stall keeps from
    being sent counts too; `service` from when it was sent; `lag` is what lies between.
    """

    def __init__(self, write: Callable[[Interval], None]) -> None:
        self._write = write
        self._second = 0
        self._now: dict[str, HdrHistogram] = {}
        self._kept: dict[str, HdrHistogram] = {}

    def add(self, operation: str, intended: int, sent: int, done: int) -> None:
        """Microseconds since 1970 UTC."""
        self.record(done // _MICROS, tag(operation, "response"), done - intended)
        self.record(done // _MICROS, tag(operation, "service"), done - sent)
        self.record(done // _MICROS, tag(operation, "lag"), sent - intended)

    def record(self, second: int, name: str, micros: int) -> None:
        """A value under a tag. A second that is over takes what comes late with the next."""
        if second > self._second:
            self.flush()
            self._second = second
        if name not in self._now:
            self._now[name] = self._kept.pop(name, None) or histogram()
        self._now[name].record_value(min(max(micros, 0), LONGEST))

    def flush(self) -> None:
        """Write what there is of the second."""
        for name in sorted(self._now):
            kept = self._now[name]
            self._write(Interval(self._second, name, kept))
            kept.reset()
            self._kept[name] = kept
        self._now.clear()
