"""Fee schedules as the national standard data set knows them, in whole won."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class FeeKind(StrEnum):
    """무료, 유료 by time, and 유료 for holders of a monthly pass alone."""

    FREE = "FREE"
    METERED = "METERED"
    CONTRACT = "CONTRACT"


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Minutes and whole won.

    basic_minutes, basic_fee_won: 주차기본시간, 주차기본요금, once per stay.
    unit_minutes, unit_fee_won: 추가단위시간, 추가단위요금, for each unit that is begun.
    day_pass_won: 1일주차권요금: no calendar day costs more.
    day_pass_from_minutes, monthly_pass_won: told, not reckoned with.
    """

    kind: FeeKind
    basic_minutes: int = 0
    basic_fee_won: int = 0
    unit_minutes: int = 0
    unit_fee_won: int = 0
    day_pass_won: int | None = None
    day_pass_from_minutes: int | None = None
    monthly_pass_won: int | None = None

    def metered_won(self, charged: timedelta) -> int:
        """Of so much charged time, were there no day pass; no time costs nothing."""
        if self.kind is FeeKind.FREE or charged <= timedelta(0):
            return 0
        beyond = charged - timedelta(minutes=self.basic_minutes)
        if beyond <= timedelta(0) or not self.unit_minutes:
            return self.basic_fee_won
        units = -(-beyond // timedelta(minutes=self.unit_minutes))
        return self.basic_fee_won + units * self.unit_fee_won

    def day_won(self, metered_won: int) -> int:
        """Of a calendar day whose time alone would cost `metered_won`."""
        return metered_won if self.day_pass_won is None else min(metered_won, self.day_pass_won)
