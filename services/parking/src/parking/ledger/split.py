"""How the money of a scheme's lots is split, and what a cancelled booking gets back. Whole won."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from parking.errors import Invalid

MAX_STEPS = 20
MAX_NOTICE_MINUTES = 366 * 24 * 60
MAX_OVERSTAY_PERCENT = 1_000
_MINUTE = timedelta(minutes=1)


class Party(StrEnum):
    """Who has a share; as in the database."""

    OWNER = "OWNER"
    OPERATOR = "OPERATOR"
    DISTRICT = "DISTRICT"


@dataclass(frozen=True, slots=True)
class RefundStep:
    """Cancelled `notice_minutes` before the start, or longer: `percent` of the price comes back."""

    notice_minutes: int
    percent: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Of one amount, won; they add up to it."""

    owner_won: int
    operator_won: int
    district_won: int


@dataclass(frozen=True, slots=True)
class SplitRule:
    """In force from `valid_from` (Seoul) until the scheme's next one. Raises Invalid."""

    scheme: str
    valid_from: date
    owner_percent: int
    operator_percent: int
    district_percent: int
    remainder_to: Party
    refunds: tuple[RefundStep, ...]
    overstay_percent: int

    def __post_init__(self) -> None:
        for party, percent in self._percents().items():
            _range(f"{party.lower()}_percent", percent, 100)
        if (total := sum(self._percents().values())) != 100:
            raise Invalid("owner_percent", f"expected percents that add up to 100, got {total}")
        if not self._percents()[self.remainder_to]:
            raise Invalid(
                "remainder_to", f"expected one who has a share, got {self.remainder_to.value}"
            )
        _range("overstay_percent", self.overstay_percent, MAX_OVERSTAY_PERCENT)
        _check_steps(self.refunds)

    def split(self, amount_won: int) -> Shares:
        """Each share rounded down to whole won; what remains goes to remainder_to."""
        if amount_won < 0:
            raise ValueError(f"expected 0 or more won, got {amount_won}")
        shares = {party: amount_won * percent // 100 for party, percent in self._percents().items()}
        shares[self.remainder_to] += amount_won - sum(shares.values())
        return Shares(shares[Party.OWNER], shares[Party.OPERATOR], shares[Party.DISTRICT])

    def refund_won(self, price_won: int, notice: timedelta) -> int:
        """What comes back when cancelled `notice` before the start; below 0 it has begun."""
        for step in self.refunds:
            if notice >= step.notice_minutes * _MINUTE:
                return price_won * step.percent // 100
        return 0

    def overstay_won(self, fee_won: int) -> int:
        """What is charged where the schedule asks for `fee_won`, rounded down."""
        return fee_won * self.overstay_percent // 100

    def _percents(self) -> dict[Party, int]:
        return {
            Party.OWNER: self.owner_percent,
            Party.OPERATOR: self.operator_percent,
            Party.DISTRICT: self.district_percent,
        }


def _check_steps(steps: Sequence[RefundStep]) -> None:
    if len(steps) > MAX_STEPS:
        raise Invalid("refunds", f"expected at most {MAX_STEPS}, got {len(steps)}")
    for place, step in enumerate(steps):
        field = f"refunds[{place}]"
        _range(f"{field}.notice_minutes", step.notice_minutes, MAX_NOTICE_MINUTES)
        _range(f"{field}.percent", step.percent, 100)
        if place and step.notice_minutes >= (before := steps[place - 1].notice_minutes):
            raise Invalid(
                f"{field}.notice_minutes",
                f"expected the longest notice first: less than {before}, got {step.notice_minutes}",
            )


def _range(field: str, value: int, most: int) -> None:
    if not 0 <= value <= most:
        raise Invalid(field, f"expected 0 to {most}, got {value}")
