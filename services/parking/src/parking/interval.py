"""Half-open intervals of time: the start belongs to them, the end does not."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Interval:
    """Aware UTC, start before end. Raises ValueError otherwise."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if not self.starts_at < self.ends_at:
            raise ValueError("expected the start before the end")

    @property
    def length(self) -> timedelta:
        return self.ends_at - self.starts_at

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` belongs to it."""
        return self.starts_at <= moment < self.ends_at

    def contains(self, other: "Interval") -> bool:
        """Whether all of `other` belongs to it."""
        return self.starts_at <= other.starts_at and other.ends_at <= self.ends_at

    def overlaps(self, other: "Interval") -> bool:
        """Whether they share a moment; intervals that only touch do not."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at
