"""What the scenes of parking played, and what must come of it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

DEPARTMENT = "parking"


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open, whole seconds since 1970 UTC."""

    start: int
    end: int

    @property
    def minutes(self) -> int:
        return (self.end - self.start) // 60


@dataclass(frozen=True, slots=True)
class Claim:
    """A booking and its whole life: `statuses[0]` is revision 1.

    `price_won` is of the schedule. `notice_minutes`: cancelled so long before the start, at least;
    what that gives back the rule in force says, as it does what an `overstay_fee_won` becomes.
    """

    booking_id: str
    bay_id: str
    span: Span
    statuses: tuple[str, ...]
    price_won: int
    reason: str = ""
    overstay_fee_won: int = 0
    notice_minutes: int | None = None
    owners: bool = False

    @property
    def status(self) -> str:
        """In the end."""
        return self.statuses[-1]

    @property
    def paid(self) -> bool:
        return not self.owners and "CONFIRMED" in self.statuses


@dataclass(frozen=True, slots=True)
class Contest:
    """`drivers` wanted the bay at once; `winners` got it, who must be one."""

    bay_id: str
    drivers: int
    winners: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """A dispute that must be opened, once."""

    kind: str
    bay_id: str
    booking_id: str | None


@dataclass
class PlayedScene:
    """One scene. `told` are refusals as drivers heard them, `must_tell` what they must hear;
    `stands` is the status of bays at the very end."""

    name: str
    title: str
    claims: list[Claim] = field(default_factory=list)
    contests: list[Contest] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    must_tell: Counter[str] = field(default_factory=Counter)
    stands: dict[str, str] = field(default_factory=dict)
