"""What a stay costs: each amount as its arithmetic."""

from datetime import UTC, date, datetime, timedelta

import pytest
from city_backbone.errors import FailedPrecondition
from parking.clock import SEOUL
from parking.interval import Interval
from parking.lots import bill, quoting
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import ALWAYS, DayKind, Hours, OperatingHours, day_kind

PARK = FeeSchedule(FeeKind.METERED, 30, 300, 10, 200, day_pass_won=4000)
DAYTIME = OperatingHours(weekday=Hours(9 * 60, 18 * 60), saturday=None, holiday=None)


def at(day: int, hour: int, minute: int = 0, **more: int) -> datetime:
    """In March 2026, in Seoul; the 4th is a Wednesday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=SEOUL, **more).astimezone(UTC)


def fee(
    start: datetime, end: datetime, hours: OperatingHours = ALWAYS, schedule: FeeSchedule = PARK
) -> int:
    return bill.price_of(schedule, hours, Interval(start, end)).won


@pytest.mark.parametrize(
    ("minutes", "won"),
    [
        (1, 300),
        (30, 300),
        (31, 300 + 1 * 200),
        (40, 300 + 1 * 200),
        (41, 300 + 2 * 200),
        (210, 300 + 18 * 200),
        (220, 4000),
        (600, 4000),
    ],
)
def test_basic_time_then_units_then_the_day_pass(minutes: int, won: int) -> None:
    assert fee(at(4, 9), at(4, 9) + timedelta(minutes=minutes)) == won


def test_a_unit_costs_whole_once_it_is_begun() -> None:
    assert fee(at(4, 9), at(4, 9, 30) + timedelta(microseconds=1)) == 300 + 200
    assert quoting.minutes(timedelta(minutes=30, microseconds=1)) == 31
    assert quoting.minutes(timedelta(minutes=30)) == 30


def test_basic_time_counts_once_over_midnight() -> None:
    first_day, whole = 300 + 3 * 200, 300 + 9 * 200
    assert fee(at(4, 23), at(5, 1)) == first_day + (whole - first_day)
    assert fee(at(4, 23, 50), at(5, 0, 20)) == 300


def test_each_calendar_day_has_its_own_pass() -> None:
    assert fee(at(4, 12), at(5, 12)) == 4000 + 4000
    assert fee(at(4, 12), at(6, 0, 40)) == 4000 + 4000 + 4 * 200


def test_nothing_is_charged_outside_the_hours() -> None:
    assert fee(at(4, 19), at(5, 9), DAYTIME) == 0
    assert fee(at(7, 0), at(9, 0), DAYTIME) == 0
    # Wednesday 17:30-18:00 and Thursday 9:00-9:30: 60 minutes.
    assert fee(at(4, 17, 30), at(5, 9, 30), DAYTIME) == 300 + 3 * 200


def test_no_pass_no_unit_no_basic_time() -> None:
    without = FeeSchedule(FeeKind.METERED, 30, 300, 10, 200)
    assert fee(at(4, 9), at(4, 19), schedule=without) == 300 + 57 * 200
    flat = FeeSchedule(FeeKind.METERED, basic_minutes=60, basic_fee_won=1000)
    assert fee(at(4, 9), at(4, 19), schedule=flat) == 1000
    at_once = FeeSchedule(FeeKind.METERED, 0, 400, 10, 200)
    assert fee(at(4, 9), at(4, 9, 1), schedule=at_once) == 400 + 200


def test_free_is_free_and_contract_is_not_for_sale() -> None:
    assert fee(at(4, 9), at(9, 9), schedule=FeeSchedule(FeeKind.FREE)) == 0
    with pytest.raises(FailedPrecondition, match="monthly pass") as raised:
        fee(at(4, 9), at(4, 10), schedule=FeeSchedule(FeeKind.CONTRACT))
    assert raised.value.reason == "CONTRACT_ONLY"


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        (date(2026, 3, 4), DayKind.WEEKDAY),
        (date(2026, 3, 7), DayKind.SATURDAY),
        (date(2026, 3, 8), DayKind.HOLIDAY),
        # Lunar: the New Year's eve, the Buddha's birthday, Chuseok on a Friday and a Saturday.
        (date(2026, 2, 16), DayKind.HOLIDAY),
        (date(2025, 5, 5), DayKind.HOLIDAY),
        (date(2026, 9, 25), DayKind.HOLIDAY),
        (date(2026, 9, 26), DayKind.HOLIDAY),
        # Substitutes: of March 1 on a Sunday, of the Buddha's birthday on a Sunday.
        (date(2026, 3, 2), DayKind.HOLIDAY),
        (date(2026, 5, 25), DayKind.HOLIDAY),
        (date(2026, 3, 3), DayKind.WEEKDAY),
        # Banks are closed on some days that are no public holidays.
        (date(2025, 5, 1), DayKind.WEEKDAY),
        (date(2025, 12, 31), DayKind.WEEKDAY),
    ],
)
def test_kinds_of_day(day: date, kind: DayKind) -> None:
    assert day_kind(day) is kind


@pytest.mark.parametrize(("start", "end"), [(-1, 60), (0, 1441), (60, 60), (120, 60)])
def test_hours_that_are_none(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to 1,440 minutes"):
        Hours(start, end)
