"""A session's life, as the protocol has it: begin, measurements without a gap, end. Pure.

All of it may come again, on a stream that broke and was opened again, or on two at once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from city_backbone.errors import FailedPrecondition, InvalidArgument

# A kiosk without a network keeps sessions so long; what it tells later is refused.
LATEST = timedelta(days=30)
# Clocks of kiosks follow a time server; what is ahead of us by more is a wrong clock.
AHEAD = timedelta(seconds=5)
# Of one visit; more is a device that does not stop.
MAX_MEASUREMENTS = 100


@dataclass(frozen=True, slots=True)
class Session:
    """All measurements up to `stored_sequence` are stored."""

    session_id: UUID
    kiosk_id: str
    person_id: UUID
    began_at: datetime
    stored_sequence: int = 0
    ended_at: datetime | None = None

    def must_be_of(self, kiosk_id: str, person_id: UUID) -> None:
        """Raises FailedPrecondition, which does not tell whose it is."""
        if (self.kiosk_id, self.person_id) != (kiosk_id, person_id):
            raise FailedPrecondition(
                "SESSION_OF_ANOTHER", "begin.session_id: it is another person's or kiosk's"
            )

    def has(self, sequence: int) -> bool:
        """Whether it is stored already; otherwise it is the next.

        Raises FailedPrecondition after the end, InvalidArgument when others before are missing.
        """
        if not 1 <= sequence <= MAX_MEASUREMENTS:
            raise InvalidArgument(
                "measured.sequence", f"expected 1 to {MAX_MEASUREMENTS}, got {sequence}"
            )
        if sequence <= self.stored_sequence:
            return True
        if self.ended_at is not None:
            raise FailedPrecondition(
                "ENDED", f"measured.sequence: the session ended with {self.stored_sequence}"
            )
        if sequence != self.stored_sequence + 1:
            raise InvalidArgument(
                "measured.sequence",
                f"expected {self.stored_sequence + 1}, got {sequence}: what is between is missing",
            )
        return False

    def stored(self, sequence: int) -> "Session":
        """With the next one."""
        assert sequence == self.stored_sequence + 1
        return replace(self, stored_sequence=sequence)

    def end(self, last_sequence: int, ended_at: datetime) -> "Session":
        """Unchanged while measurements are missing, and when it had ended with the same.

        Raises InvalidArgument when more is stored than there is said to be, FailedPrecondition
        when it had ended with less.
        """
        if last_sequence < self.stored_sequence:
            raise InvalidArgument(
                "end.last_sequence",
                f"expected {self.stored_sequence} or more, got {last_sequence}: so many are stored",
            )
        if last_sequence > self.stored_sequence:
            if self.ended_at is not None:
                raise FailedPrecondition(
                    "ENDED", f"end.last_sequence: the session ended with {self.stored_sequence}"
                )
            return self
        return self if self.ended_at is not None else replace(self, ended_at=ended_at)


def must_be_timely(field: str, moment: datetime, now: datetime) -> None:
    """Raises InvalidArgument."""
    if moment > now + AHEAD:
        raise InvalidArgument(
            field, f"expected a time that has passed, or is {AHEAD.seconds} s ahead at most"
        )
    if moment < now - LATEST:
        raise InvalidArgument(field, f"expected a time of the last {LATEST.days} days")
