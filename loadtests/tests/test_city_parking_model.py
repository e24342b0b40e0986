"""The parking model: its figures, and that each part of it follows from the seed alone."""

import csv
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.city.cameras.places import metres_between
from loadtests.city.parking import trips, wire
from loadtests.city.parking.alley import MIDDLE, Bay, alley, specials
from loadtests.city.parking.fleet import fleet
from loadtests.city.parking.lots import ALWAYS, LOTS, Hours, PublicLot
from loadtests.city.parking.rates import (
    ARRIVALS,
    HABITS,
    HOUSEHOLDS,
    MAX_UNIT_FEE_WON,
    MIN_UNIT_FEE_WON,
    REPEAT_SECONDS,
    SHORTEST_MINUTES,
    STRAYS,
    Habit,
    Household,
)
from loadtests.city.parking.street import MOST_CHANGES, Street
from loadtests.city.parking.trips import Load, Trip, beginning

SEEDS = st.integers(-(2**31), 2**31)
WEEK = 7 * 86_400
# A Tuesday, in Seoul.
TUESDAY = datetime(2026, 11, 24, tzinfo=UTC) - timedelta(hours=9)
NOON = int((TUESDAY + timedelta(hours=12)).timestamp())
DATA = Path(__file__).parent.parent / "data/parking-lots-uijeongbu-bucheon.csv"


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_the_alley_has_280_bays_that_residents_lend_within_the_companys_limits(seed: int) -> None:
    bays = alley(seed)
    assert len({bay.bay_id for bay in bays}) == len({bay.sensor_id for bay in bays}) == 280
    assert len({bay.owner for bay in bays}) == 280
    assert all(bay.owner.contact.startswith("010-0") for bay in bays)
    for bay in bays:
        assert metres_between(bay.point, MIDDLE) < 200
        assert MIN_UNIT_FEE_WON <= bay.unit_fee_won <= MAX_UNIT_FEE_WON
        assert bay.windows
        for window in bay.windows:
            assert 1 <= window.weekday <= 7
            assert 0 <= window.start < window.end <= 1440
    for one, other in pairwise(bays):
        assert metres_between(one.point, other.point) > 5.5


def test_households_have_their_shares() -> None:
    counts = Counter(bay.household for seed in range(10) for bay in alley(seed))
    for household, share in HOUSEHOLDS.items():
        assert abs(counts[household] / 2800 - share) < 0.04


@pytest.mark.parametrize(
    ("weekday", "minute", "least", "most"),
    [(2, 11 * 60, 0.65, 0.9), (2, 3 * 60, 0.2, 0.4), (6, 12 * 60, 0.15, 0.35)],
)
def test_most_bays_are_lent_while_people_are_at_work(
    weekday: int, minute: int, least: float, most: float
) -> None:
    def lent(bay: Bay) -> bool:
        return any(w.weekday == weekday and w.start <= minute < w.end for w in bay.windows)

    bays = alley(1)
    assert least < sum(map(lent, bays)) / len(bays) < most


def test_a_night_is_lent_without_a_gap_at_midnight() -> None:
    nights = [bay for bay in alley(1) if bay.household is Household.NIGHT_WORKER]
    for bay in nights:
        late = {w.weekday for w in bay.windows if w.end == 1440}
        early = {w.weekday for w in bay.windows if w.start == 0}
        assert early == {day + 1 for day in late}


@given(seed=SEEDS, weeks=st.integers(0, 200))
@settings(max_examples=10, deadline=None)
def test_exceptions_of_a_week_are_the_same_whenever_they_are_told(seed: int, weeks: int) -> None:
    now = NOON + weeks * WEEK
    told, later = (
        [s for b in alley(seed) for s in specials(seed, b, at)] for at in (now, now + WEEK)
    )
    assert told
    assert {s for s in told if s.start >= now + WEEK} <= set(later)
    for special in told:
        assert special.start < special.end
        start = datetime.fromtimestamp(special.start, UTC) + timedelta(hours=9)
        assert (start.hour, start.minute) == ((20, 0) if special.offered else (0, 0))


def _row(lot: PublicLot) -> dict[str, str]:
    with DATA.open(encoding="utf-8-sig", newline="") as file:
        number, name = lot.management_number, lot.name
        (row,) = (
            row
            for row in csv.DictReader(file)
            if (row["주차장관리번호"], row["주차장명"]) == (number, name)
        )
    return row


def _hours(row: dict[str, str], day: str) -> Hours:
    start, end = (row[f"{day}운영{what}시각"] for what in ("시작", "종료"))
    if start == end == "00:00":
        return None
    minutes = [int(text[:2]) * 60 + int(text[3:]) for text in (start, end)]
    return minutes[0], 1440 if end == "23:59" else minutes[1]


@pytest.mark.parametrize("lot", LOTS, ids=lambda lot: lot.management_number)
def test_public_lots_are_rows_of_the_national_data_set(lot: PublicLot) -> None:
    row = _row(lot)
    assert (lot.point, lot.bays) == (
        (float(row["위도"]), float(row["경도"])),
        int(row["주차구획수"]),
    )
    assert lot.hours == tuple(_hours(row, day) for day in ("평일", "토요일", "공휴일"))
    assert (lot.address, lot.phone, lot.remark) == (
        row["소재지지번주소"],
        row["전화번호"],
        row["특기사항"],
    )
    fees = lot.fees
    assert fees.contract_only is ("월정기 전용" in row["특기사항"])
    named = (
        ("주차기본시간", fees.basic_minutes),
        ("주차기본요금", fees.basic_fee_won),
        ("추가단위시간", fees.unit_minutes),
        ("추가단위요금", fees.unit_fee_won),
        ("1일주차권요금", fees.day_pass_won or 0),
        ("1일주차권요금적용시간", fees.day_pass_from_minutes or 0),
        ("월정기권요금", fees.monthly_pass_won or 0),
    )
    for column, value in named:
        assert value == int(row[column] or 0), column
    assert metres_between(lot.point, MIDDLE) < 1_500


def test_some_lots_can_be_booked_and_one_cannot() -> None:
    assert {lot.fees.contract_only for lot in LOTS} == {True, False}
    assert any(lot.hours == (ALWAYS, ALWAYS, ALWAYS) for lot in LOTS)


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_plates_are_fictional_and_each_is_one_car(seed: int) -> None:
    plates = [vehicle.plate for vehicle in fleet(seed)]
    assert len(set(plates)) == len(plates) == 400
    assert all(re.fullmatch(r"00[가-힣]\d{4}", plate) for plate in plates)


def _trips(load: Load, start: int, seconds: int) -> list[Trip]:
    return [trip for at in range(start, start + seconds) for trip in beginning(load, at).trips]


@given(seed=SEEDS, start=st.integers(1_500_000_000, 2_000_000_000))
@settings(max_examples=10, deadline=None)
def test_any_second_is_made_alone(seed: int, start: int) -> None:
    load = Load(seed, 60.0)
    forwards = [beginning(load, second) for second in range(start, start + 60)]
    trips.beginning.cache_clear()
    for second in (start + 59, start + 17, start):
        assert beginning(load, second) == forwards[second - start]
    assert any(found.trips for found in forwards)


def test_drivers_come_at_the_rate_and_by_the_hour() -> None:
    load = Load(1, 60.0)
    for hour in (4, 12, 18):
        at = int((TUESDAY + timedelta(hours=hour)).timestamp())
        assert abs(len(_trips(load, at, 1800)) / 1800 - ARRIVALS[hour]) < 0.12 * ARRIVALS[hour]
    assert abs(sum(ARRIVALS) / 24 - 1) < 0.02
    assert not _trips(Load(1, 0.0), NOON, 600)


def test_trips_are_bookable_and_habits_have_their_shares() -> None:
    found = _trips(Load(2, 600.0), NOON, 300)
    assert len({trip.trip_id for trip in found}) == len(found) > 2_000
    counts = Counter(trip.habit for trip in found)
    for habit, share in HABITS.items():
        assert abs(counts[habit] / len(found) - share) < 0.3 * share + 0.01
    for trip in found:
        assert trip.minutes >= SHORTEST_MINUTES
        assert metres_between(trip.goal, MIDDLE) <= 201
        assert (trip.ahead > 0) is (trip.habit is Habit.CANCELS)
        assert (trip.linger > 300) is (trip.habit is Habit.LINGERS)
        over = trip.stay - trip.minutes * 60
        assert (over > 300) is (trip.habit is Habit.OVERSTAYS)


def test_cars_without_a_booking_and_owners_come_beside_the_drivers() -> None:
    load = Load(3, 600.0)
    doings = [beginning(load, second) for second in range(NOON, NOON + 600)]
    total = sum(len(found.trips) for found in doings)
    strays = [stray for found in doings for stray in found.strays]
    visits = [visit for found in doings for visit in found.visits]
    for some in (strays, visits):
        assert 0.5 * STRAYS.share < len(some) / total < 1.5 * STRAYS.share
        assert {one.bay for one in some} <= set(range(1, 281))
    assert any(stray.seconds > 300 for stray in strays)


def test_a_bay_has_room_for_one_car_and_its_sensor_tells_of_each_change() -> None:
    bays = alley(1)
    street = Street(bays)
    assert street.arrive(bays[0].bay_id, 10)
    assert not street.arrive(bays[0].bay_id, 11)
    assert street.arrive("public-1-3", 12)
    street.leave(bays[0].bay_id, 13)
    assert [(r.sensor_id, r.occupied, r.micros) for r in street.changes()] == [
        (bays[0].sensor_id, True, 10),
        (bays[0].sensor_id, False, 13),
    ]
    assert not street.changes()


def test_each_sensor_repeats_itself_once_a_minute() -> None:
    bays = alley(1)
    street = Street(bays)
    street.arrive(bays[7].bay_id, 1)
    told = [r for second in range(REPEAT_SECONDS) for r in street.repeats(NOON + second, 2)]
    assert Counter(r.sensor_id for r in told) == Counter(bay.sensor_id for bay in bays)
    assert [r.sensor_id for r in told if r.occupied] == [bays[7].sensor_id]


def test_what_nobody_takes_does_not_fill_the_memory() -> None:
    bays = alley(1)
    street = Street(bays)
    for number in range(MOST_CHANGES):
        street.arrive(bays[0].bay_id, number)
        street.leave(bays[0].bay_id, number)
    assert len(street.changes()) == MOST_CHANGES


def test_the_same_registrations_have_the_same_keys_and_others_have_others() -> None:
    bay = next(bay for bay in alley(1) if specials(1, bay, NOON))
    other = alley(1)[bay.number % 280]
    told = specials(1, bay, NOON)
    offers = [
        wire.offer(bay, "o", told),
        wire.offer(bay, "o", ()),
        wire.offer(bay, "p", ()),
        wire.offer(other, "o", ()),
    ]
    assert wire.offer(bay, "o", told) == offers[0]
    assert wire.owner_registration(1, bay.owner) == wire.owner_registration(1, bay.owner)
    keys = [one.idempotency_key for one in offers]
    keys += [wire.owner_registration(seed, bay.owner).idempotency_key for seed in (1, 2)]
    keys += [wire.alley_registration().idempotency_key, wire.lots_import().idempotency_key]
    keys += [one.idempotency_key for one in wire.sensor_registrations(alley(1))]
    assert len(set(keys)) == len(keys) == 9
