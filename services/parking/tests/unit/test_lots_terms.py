"""On which terms a bay is lent, and what stands in the tables of it."""

import json
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from city_backbone.errors import FailedPrecondition
from city_backbone.geo import Point
from parking.clock import SEOUL
from parking.interval import Interval
from parking.lots import rows
from parking.lots.availability import Availability, WeeklyWindow, WindowException
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import ALWAYS, Hours, OperatingHours
from parking.lots.lot import lot_ids, published, shared_fees
from parking.lots.terms import LotKind, Terms


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """In March 2026, in Seoul; the 2nd is a Monday, and a holiday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=SEOUL).astimezone(UTC)


NIGHTS = Availability(
    windows=(
        *(WeeklyWindow(day, Hours(20 * 60, 1440)) for day in range(1, 8)),
        *(WeeklyWindow(day, Hours(0, 7 * 60)) for day in range(1, 8)),
    ),
    exceptions=(
        WindowException(Interval(at(9, 0), at(12, 0)), offered=False),
        WindowException(Interval(at(10, 9), at(10, 12)), offered=True),
    ),
)


def terms(
    kind: LotKind = LotKind.SHARED, fees: FeeSchedule | None = None, *, in_service: bool = True
) -> Terms:
    return Terms(
        bay_id="samjeong-001",
        lot_id="samjeong",
        lot_kind=kind,
        scheme="samjeong",
        operator="상살미 마을관리 협동조합",
        district="경기도 부천시",
        owner_id=uuid4() if kind is LotKind.SHARED else None,
        position=Point(37.5225, 126.7702),
        in_service=in_service,
        hours=ALWAYS,
        fees=fees or shared_fees(10, 100, 5000),
        availability=NIGHTS if kind is LotKind.SHARED else Availability(),
    )


@pytest.mark.parametrize(
    ("start", "end", "offered"),
    [
        (at(2, 20), at(3, 7), True),
        (at(2, 19, 59), at(3, 7), False),
        (at(2, 20), at(3, 7, 1), False),
        (at(2, 21), at(2, 22), True),
        (at(8, 20), at(9, 0), True),
        (at(8, 20), at(9, 0, 1), False),
        (at(10, 9), at(10, 12), True),
        (at(10, 9), at(10, 12, 1), False),
        (at(12, 0), at(12, 7), True),
    ],
)
def test_windows_join_over_midnight_and_exceptions_are_stronger(
    start: datetime, end: datetime, offered: bool
) -> None:
    assert NIGHTS.offered(Interval(start, end)) is offered


def test_nothing_is_offered_by_nothing_but_always_in_a_lot_of_the_city() -> None:
    noon = Interval(at(4, 12), at(4, 13))
    assert not Availability().offered(noon)
    assert terms(LotKind.PUBLIC).is_offered(noon)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (terms(in_service=False), "OUT_OF_SERVICE"),
        (terms(LotKind.PUBLIC, FeeSchedule(FeeKind.CONTRACT)), "CONTRACT_ONLY"),
        (terms(), "NOT_OFFERED"),
    ],
)
def test_why_a_bay_cannot_be_booked(known: Terms, reason: str) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        known.must_be_bookable(Interval(at(4, 12), at(4, 13)))
    assert raised.value.reason == reason


def test_what_can_be_booked_has_a_price() -> None:
    night = Interval(at(4, 20), at(4, 21, 1))
    terms().must_be_bookable(night)
    assert terms().price_won(night) == 7 * 100


def test_what_going_on_costs_is_the_difference() -> None:
    booked = Interval(at(4, 20), at(4, 21))
    assert terms().fee_won_after(booked, booked.ends_at) == 0
    assert terms().fee_won_after(booked, booked.starts_at) == 0
    assert terms().fee_won_after(booked, booked.ends_at + timedelta(minutes=11)) == 2 * 100
    # 20:00-24:00 costs 2,400; then a new day with its own pass begins.
    assert terms().fee_won_after(booked, at(5, 1)) == (24 * 100 - 600) + 6 * 100


def test_what_stands_in_the_tables_is_what_was_meant() -> None:
    some = OperatingHours(Hours(540, 1080), None, Hours(0, 1440))
    fees = FeeSchedule(FeeKind.METERED, 30, 300, 10, 200, 4000, 220, 50_000)
    assert rows.hours(json.dumps(rows.hours_json(some))) == some
    assert rows.fees(json.dumps(rows.fees_json(fees))) == fees
    asked = rows.fees(json.dumps(rows.fees_json(fees)), 120)
    assert asked == replace(fees, unit_fee_won=120)
    assert rows.fees(json.dumps(rows.fees_json(fees))) == fees
    windows, exceptions = rows.windows_json(NIGHTS), rows.exceptions_json(NIGHTS)
    assert rows.availability(json.dumps(windows), json.dumps(exceptions)) == NIGHTS


LIBRARY = published("3860000", "000-2-000090", "꿈빛도서관 옆")
LAKE = published("3860000", "000-2-000090", "호수로노외")
OTHER = published("3820000", "000-2-000090", "호수로노외")
PLAIN = "3860000-000-2-000090"


def test_a_number_with_one_name_is_the_id() -> None:
    assert lot_ids([LIBRARY, OTHER], {}) == [PLAIN, "3820000-000-2-000090"]
    assert lot_ids([published("386ABC", "P-1", "가")], {}) == ["386abc-p-1"]


def test_a_number_with_two_names_is_no_id_in_any_order() -> None:
    library, lake = lot_ids([LIBRARY, LAKE], {})
    assert lot_ids([LAKE, OTHER, LIBRARY], {}) == [lake, "3820000-000-2-000090", library]
    assert library != lake
    assert all(
        one.startswith(f"{PLAIN}-") and len(one) == len(PLAIN) + 9 for one in (library, lake)
    )


def test_a_known_lot_keeps_its_id_whatever_comes_beside_it() -> None:
    library, lake = lot_ids([LIBRARY, LAKE], {})
    assert lot_ids([LAKE], {LIBRARY: library, LAKE: lake}) == [lake]
    assert lot_ids([LAKE], {LIBRARY: PLAIN}) == [lake]
    assert lot_ids([LIBRARY, LAKE], {LIBRARY: PLAIN}) == [PLAIN, lake]
    assert lot_ids([LIBRARY, LAKE], {LIBRARY: PLAIN, LAKE: lake}) == [PLAIN, lake]


def test_one_spelling_is_one_name() -> None:
    decomposed = unicodedata.normalize("NFD", LAKE.name)
    assert decomposed != LAKE.name
    assert published("3860000", "000-2-000090", decomposed) == LAKE
