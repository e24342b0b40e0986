"""What is asked is checked at the edge, and what is wrong is named."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from city.parking.v1 import lot_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.errors import InvalidArgument
from parking import messages
from parking.interval import Interval
from parking.lots import requests
from parking.lots.searching import Order
from parking.lots.terms import LotKind

TODAY = date(2026, 3, 4)
START = datetime(2026, 3, 4, 1, tzinfo=UTC)
HERE = Position(latitude=37.5022, longitude=126.7741)


def public_lot(**changes: Any) -> pb.PublicLot:
    fields: dict[str, Any] = {
        "management_number": "000-2-000058",
        "name": "중앙공원",
        "provider_code": "3860000",
        "district": "경기도 부천시",
        "address": "경기도 부천시 중동 1177",
        "position": HERE,
        "bays": 982,
        "hours": pb.OperatingHours(weekday=pb.Hours(start_minute=0, end_minute=1440)),
        "fees": pb.FeeSchedule(
            kind=pb.FEE_KIND_METERED,
            basic_minutes=30,
            basic_fee_won=300,
            unit_minutes=10,
            unit_fee_won=200,
            day_pass_won=4000,
        ),
        "operator": "경기도 부천도시공사",
        "data_date": "2022-10-17",
    }
    return pb.PublicLot(**{**fields, **changes})


def interval(start: datetime = START, length: timedelta = timedelta(hours=2)) -> pb.Interval:
    return messages.interval_message(Interval(start, start + length))


def fees(**changes: Any) -> pb.PublicLot:
    lot = public_lot()
    for name, value in changes.items():
        setattr(lot.fees, name, value)
    return lot


def hours(start: int, end: int) -> pb.PublicLot:
    lot = public_lot()
    lot.hours.saturday.CopyFrom(pb.Hours(start_minute=start, end_minute=end))
    return lot


@pytest.mark.parametrize(
    ("lot", "field"),
    [
        (public_lot(management_number=""), "management_number"),
        (public_lot(management_number="000 58"), "management_number"),
        (public_lot(management_number="9" * 31), "management_number"),
        (public_lot(provider_code="386-0"), "provider_code"),
        (public_lot(name=" "), "name"),
        (public_lot(name="가" * 101), "name"),
        (public_lot(address=""), "address"),
        (public_lot(position=None), "position"),
        (public_lot(position=Position(latitude=91)), "position.latitude"),
        (public_lot(position=Position(longitude=float("nan"))), "position.longitude"),
        (public_lot(bays=-1), "bays"),
        (public_lot(bays=10_001), "bays"),
        (hours(-1, 60), "hours.saturday.start_minute"),
        (hours(0, 1441), "hours.saturday.end_minute"),
        (hours(60, 60), "hours.saturday.end_minute"),
        (fees(kind=pb.FEE_KIND_UNSPECIFIED), "fees.kind"),
        (fees(kind=9), "fees.kind"),
        (fees(kind=pb.FEE_KIND_FREE), "fees.basic_fee_won"),
        (fees(kind=pb.FEE_KIND_CONTRACT, basic_fee_won=0), "fees.unit_fee_won"),
        (fees(basic_minutes=1441), "fees.basic_minutes"),
        (fees(basic_fee_won=-1), "fees.basic_fee_won"),
        (fees(unit_minutes=0), "fees.unit_minutes"),
        (fees(unit_fee_won=100_001), "fees.unit_fee_won"),
        (fees(day_pass_won=0), "fees.day_pass_won"),
        (fees(day_pass_from_minutes=0), "fees.day_pass_from_minutes"),
        (fees(monthly_pass_won=-1), "fees.monthly_pass_won"),
        (public_lot(operator=""), "operator"),
        (public_lot(district=""), "district"),
        (public_lot(remark="a\nb"), "remark"),
        (public_lot(data_date=""), "data_date"),
        (public_lot(data_date="20221017"), "data_date"),
        (public_lot(data_date="2022-02-30"), "data_date"),
        (public_lot(data_date="2026-03-05"), "data_date"),
    ],
)
def test_a_wrong_lot_is_named_by_its_place_and_field(lot: pb.PublicLot, field: str) -> None:
    good = public_lot(management_number="000-2-000059")
    with pytest.raises(InvalidArgument) as raised:
        requests.public_lots([good, lot], TODAY)
    assert raised.value.field == f"lots[1].{field}"


def test_how_many_lots_and_each_once() -> None:
    with pytest.raises(InvalidArgument, match="lots: expected 1 to 500, got 0"):
        requests.public_lots([], TODAY)
    with pytest.raises(InvalidArgument, match="lots: expected 1 to 500, got 501"):
        requests.public_lots([public_lot()] * 501, TODAY)
    twice = [public_lot(), public_lot(name="다른 공원"), public_lot(bays=3)]
    with pytest.raises(InvalidArgument, match=r"lots\[2\]\.name: .* stands at 0 already"):
        requests.public_lots(twice, TODAY)
    many = [public_lot(management_number=f"{n}", bays=10_000) for n in range(11)]
    with pytest.raises(InvalidArgument, match="lots: expected at most 100000 bays"):
        requests.public_lots(many, TODAY)


def shared_lot(**changes: Any) -> pb.RegisterSharedLotRequest:
    fields: dict[str, Any] = {
        "lot_id": "samjeong",
        "name": "삼정동 골목 공유주차",
        "address": "경기도 부천시 삼정동",
        "position": HERE,
        "operator": "상살미 마을관리 협동조합",
        "district": "경기도 부천시",
        "scheme": "samjeong",
        "unit_minutes": 10,
        "min_unit_fee_won": 50,
        "max_unit_fee_won": 300,
    }
    return pb.RegisterSharedLotRequest(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lot_id": "Samjeong"}, "lot_id"),
        ({"position": None}, "position"),
        ({"scheme": ""}, "scheme"),
        ({"unit_minutes": 0}, "unit_minutes"),
        ({"min_unit_fee_won": -1}, "min_unit_fee_won"),
        ({"max_unit_fee_won": 49}, "max_unit_fee_won"),
        ({"day_pass_won": 0}, "day_pass_won"),
    ],
)
def test_a_wrong_alley(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        requests.shared_lot(shared_lot(**changes))
    assert raised.value.field == field


def offer(**changes: Any) -> pb.OfferBayRequest:
    fields: dict[str, Any] = {
        "bay_id": "samjeong-001",
        "lot_id": "samjeong",
        "owner_id": "6a1f3d5e-1d5e-4a6f-9d7e-0a5b6c7d8e9f",
        "position": HERE,
        "unit_fee_won": 100,
    }
    return pb.OfferBayRequest(**{**fields, **changes})


WINDOW = pb.WeeklyWindow(weekday=pb.WEEKDAY_MONDAY, start_minute=540, end_minute=1080)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bay_id": "Bay"}, "bay_id"),
        ({"owner_id": "me"}, "owner_id"),
        ({"weekly_windows": [WINDOW] * 51}, "weekly_windows"),
        ({"weekly_windows": [WINDOW, pb.WeeklyWindow()]}, "weekly_windows[1].weekday"),
        (
            {"weekly_windows": [pb.WeeklyWindow(weekday=pb.WEEKDAY_SUNDAY, start_minute=5)]},
            "weekly_windows[0].end_minute",
        ),
        ({"exceptions": [pb.WindowException(interval=interval())] * 201}, "exceptions"),
        ({"exceptions": [pb.WindowException()]}, "exceptions[0].interval.starts_at"),
        ({"unit_fee_won": -1}, "unit_fee_won"),
    ],
)
def test_a_wrong_offer(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        requests.offer(offer(**changes))
    assert raised.value.field == field


def search(**changes: Any) -> pb.SearchBaysRequest:
    fields: dict[str, Any] = {"point": HERE, "radius_metres": 500.0, "interval": interval()}
    return pb.SearchBaysRequest(**{**fields, **changes})


LONG = interval(length=timedelta(days=14, microseconds=1))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"point": None}, "point"),
        ({"radius_metres": 0.0}, "radius_metres"),
        ({"radius_metres": float("nan")}, "radius_metres"),
        ({"radius_metres": 5_000.1}, "radius_metres"),
        ({"interval": None}, "interval.starts_at"),
        ({"interval": LONG}, "interval"),
        ({"interval": interval(datetime(1999, 12, 31, 14, tzinfo=UTC))}, "interval"),
        ({"interval": interval(datetime(2050, 12, 31, 14, tzinfo=UTC))}, "interval"),
        ({"order": 9}, "order"),
        ({"limit": 101}, "limit"),
        ({"limit": -1}, "limit"),
    ],
)
def test_a_wrong_search(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        requests.wanted(search(**changes))
    assert raised.value.field == field


def test_a_search_that_leaves_it_to_us() -> None:
    wanted = requests.wanted(search())
    assert (wanted.order, wanted.limit) == (Order.DISTANCE, 10)


def test_the_dearest_stay_fits_the_contract() -> None:
    """int32, at the highest price there can be for each minute of the longest stay."""
    minutes = requests.MAX_PRICED // timedelta(minutes=1)
    assert requests.MAX_FEE_WON + minutes * requests.MAX_UNIT_FEE_WON < 2**31


def test_kinds() -> None:
    assert requests.lot_kind(pb.LOT_KIND_UNSPECIFIED) is None
    assert requests.lot_kind(pb.LOT_KIND_SHARED) is LotKind.SHARED
    unknown: Any = 9
    with pytest.raises(InvalidArgument, match="kind: expected a known kind, got 9"):
        requests.lot_kind(unknown)
