"""What holds of every schedule and every stay, and of everything that an owner may offer."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from parking.clock import SEOUL, seoul_day
from parking.interval import Interval
from parking.lots import bill
from parking.lots.availability import Availability, WeeklyWindow, WindowException
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import Hours, OperatingHours

MINUTE = timedelta(minutes=1)
# A Friday: Chuseok and its weekend follow, and an ordinary week.
MONDAY = datetime(2026, 9, 21, tzinfo=SEOUL).astimezone(UTC)

minutes_of_day = st.integers(0, 1440)
hours = st.tuples(minutes_of_day, minutes_of_day).filter(lambda two: two[0] < two[1])
some_hours = hours.map(lambda two: Hours(*two))
operating = st.builds(OperatingHours, *[st.none() | some_hours] * 3)
schedules = st.builds(
    FeeSchedule,
    kind=st.just(FeeKind.METERED),
    basic_minutes=st.integers(0, 120),
    basic_fee_won=st.integers(0, 2_000),
    unit_minutes=st.integers(1, 60),
    unit_fee_won=st.integers(0, 1_000),
    day_pass_won=st.none() | st.integers(1, 12_000),
)
moments = st.timedeltas(timedelta(0), timedelta(days=7)).map(lambda after: MONDAY + after)
whole_minutes = st.integers(0, 7 * 1440).map(lambda after: MONDAY + after * MINUTE)
lengths = st.timedeltas(timedelta(microseconds=1), timedelta(days=4))


@given(schedules, operating, moments, lengths, lengths)
def test_a_stay_that_goes_on_is_never_cheaper(
    schedule: FeeSchedule,
    times: OperatingHours,
    start: datetime,
    length: timedelta,
    more: timedelta,
) -> None:
    stay = bill.price_of(schedule, times, Interval(start, start + length))
    assert 0 <= stay.won <= stay.at(start + length + more).won


@given(schedules, operating, moments, lengths)
def test_no_calendar_day_costs_more_than_its_pass(
    schedule: FeeSchedule, times: OperatingHours, start: datetime, length: timedelta
) -> None:
    end = start + length
    days = (seoul_day(end - timedelta(microseconds=1)) - seoul_day(start)).days + 1
    won = bill.price_of(schedule, times, Interval(start, end)).won
    assert schedule.day_pass_won is None or won <= days * schedule.day_pass_won


@given(schedules, operating, moments, lengths, st.lists(st.floats(0, 1), max_size=5))
def test_a_bill_that_is_cut_anywhere_is_the_same(
    schedule: FeeSchedule,
    times: OperatingHours,
    start: datetime,
    length: timedelta,
    cuts: list[float],
) -> None:
    whole = bill.price_of(schedule, times, Interval(start, start + length))
    stepwise = bill.opened(schedule, times, start)
    for cut in sorted(cuts):
        stepwise = stepwise.at(start + cut * length)
    assert stepwise.at(start + length) == whole


@given(schedules, operating, whole_minutes, st.integers(1, 3 * 1440))
def test_the_price_is_that_of_its_minutes(
    schedule: FeeSchedule, times: OperatingHours, start: datetime, minutes: int
) -> None:
    """Counted minute by minute, each day's minutes priced apart."""
    counted: dict[object, int] = {}
    for after in range(minutes):
        local = (start + after * MINUTE).astimezone(SEOUL)
        on = times.on(local.date())
        inside = on is not None and on.start_minute <= local.hour * 60 + local.minute < (
            on.end_minute
        )
        counted[local.date()] = counted.get(local.date(), 0) + inside
    won = before = 0
    for charged in counted.values():
        of_day = metered(schedule, before + charged) - metered(schedule, before)
        won += of_day if schedule.day_pass_won is None else min(of_day, schedule.day_pass_won)
        before += charged
    priced = bill.price_of(schedule, times, Interval(start, start + minutes * MINUTE))
    assert (priced.won, priced.charged) == (won, before * MINUTE)


def metered(schedule: FeeSchedule, minutes: int) -> int:
    if minutes == 0:
        return 0
    units = max(0, minutes - schedule.basic_minutes + schedule.unit_minutes - 1)
    return schedule.basic_fee_won + units // schedule.unit_minutes * schedule.unit_fee_won


@given(operating, moments, lengths)
def test_free_is_free(times: OperatingHours, start: datetime, length: timedelta) -> None:
    free = FeeSchedule(FeeKind.FREE)
    assert bill.price_of(free, times, Interval(start, start + length)).won == 0


# Few edges, so that windows and exceptions touch and meet at midnight.
quarters = st.sampled_from([0, 1, 540, 719, 720, 1080, 1439, 1440])
windows = st.builds(
    lambda day, two: WeeklyWindow(day, Hours(*two)),
    st.integers(1, 7),
    st.tuples(quarters, quarters).filter(lambda two: two[0] < two[1]),
)
spans = st.tuples(st.integers(0, 3 * 1440), st.sampled_from([1, 30, 720, 1440, 2000])).map(
    lambda two: Interval(MONDAY + two[0] * MINUTE, MONDAY + (two[0] + two[1]) * MINUTE)
)
exceptions = st.lists(st.builds(WindowException, spans, st.booleans()), max_size=5)


@given(st.lists(windows, max_size=12), exceptions, spans)
def test_offered_is_what_every_minute_says(
    weekly: Sequence[WeeklyWindow], once: Sequence[WindowException], asked: Interval
) -> None:
    def lent(moment: datetime) -> bool:
        said = [exception.offered for exception in once if exception.interval.holds(moment)]
        if said:
            return said[-1]
        local = moment.astimezone(SEOUL)
        minute = local.hour * 60 + local.minute
        return any(
            window.iso_weekday == local.isoweekday()
            and window.hours.start_minute <= minute < window.hours.end_minute
            for window in weekly
        )

    minutes = int(asked.length / MINUTE)
    every = all(lent(asked.starts_at + after * MINUTE) for after in range(minutes))
    assert Availability(weekly, once).offered(asked) is every
