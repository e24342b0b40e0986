"""How far the clock of another machine is from this one's, as NTP estimates it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.driver.result import Clock

EXCHANGES = 30
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer, microseconds; `answered` is by the other's clock."""

    sent: int
    answered: int
    received: int

    @property
    def round_trip(self) -> int:
        return self.received - self.sent


@dataclass(frozen=True, slots=True)
class Offset:
    """The other's clock less ours, microseconds; the truth is within `uncertainty` of it."""

    micros: float = 0.0
    uncertainty: float = 0.0


SAME_CLOCK = Offset()


def estimate(exchanges: Sequence[Exchange]) -> Offset:
    """By the fastest exchange: whatever way the answer's time lies between, it is within half of
    that round trip. Raises ValueError without any."""
    if not exchanges:
        raise ValueError("no exchange of times")
    best = min(exchanges, key=lambda one: one.round_trip)
    return Offset(best.answered - (best.sent + best.received) / 2, best.round_trip / 2)


def over(before: Offset, after: Offset) -> Offset:
    """Of a run between two estimates: what they differ by is drift, and not known when."""
    drift = abs(after.micros - before.micros)
    return Offset(before.micros, max(before.uncertainty, after.uncertainty) + drift)


def worst(offsets: Sequence[Offset]) -> Clock:
    """Of several machines: the largest offset, and the largest uncertainty."""
    return Clock(
        offset_ms=max((one.micros for one in offsets), key=abs, default=0.0) / 1000,
        uncertainty_ms=max((one.uncertainty for one in offsets), default=0.0) / 1000,
    )


def text(clock: Clock) -> str:
    """For people."""
    if not clock.offset_ms and not clock.uncertainty_ms:
        return "clock: one machine, one clock"
    return f"clock: offset {clock.offset_ms:+.3f} ms, known to ±{clock.uncertainty_ms:.3f} ms"


async def measure(
    ask: Callable[[], Awaitable[int]], now: Callable[[], int], exchanges: int = EXCHANGES
) -> Offset:
    """`ask` answers the other's time, microseconds."""
    found = []
    for _ in range(exchanges):
        sent = now()
        answered = await ask()
        found.append(Exchange(sent, answered, now()))
    return estimate(found)


def machine() -> str:
    """The same text for processes that share a clock; empty where that cannot be told."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
