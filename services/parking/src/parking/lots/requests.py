"""From the protocol's requests to the domain. Raises InvalidArgument naming the field."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Literal

from city.parking.v1 import lot_pb2 as pb
from city_backbone.errors import InvalidArgument
from city_backbone.geo import Point

from parking import messages
from parking.clock import SEOUL
from parking.interval import Interval
from parking.lots.alleys import Offer
from parking.lots.availability import Availability, WeeklyWindow, WindowException
from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import ALWAYS, MINUTES_OF_DAY, Hours, OperatingHours
from parking.lots.importing import PublicLot
from parking.lots.lot import PUBLIC_SCHEME, Lot, published, shared_fees
from parking.lots.searching import Order, Wanted
from parking.lots.terms import LotKind

MAX_LOTS = 500
MAX_BAYS_OF_LOT = 10_000
MAX_BAYS_OF_CALL = 100_000
MAX_WINDOWS = 50
MAX_EXCEPTIONS = 200
MAX_UNIT_FEE_WON = 100_000
MAX_FEE_WON = 10_000_000
MAX_RADIUS_METRES = 5_000
MAX_FOUND = 100
DEFAULT_FOUND = 10
# A unit fee each minute of them still fits the contract's int32.
MAX_PRICED = timedelta(days=14)
# The years whose public holidays are known.
_FROM, _TO = datetime(2000, 1, 1, tzinfo=SEOUL), datetime(2051, 1, 1, tzinfo=SEOUL)

_NUMBER = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?")
_PROVIDER = re.compile(r"[a-z0-9]{1,10}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FEE_KINDS = {pb.FeeKind.Value(f"FEE_KIND_{kind.name}"): kind for kind in FeeKind}
_LOT_KINDS = {pb.LotKind.Value(f"LOT_KIND_{kind.name}"): kind for kind in LotKind}
_ORDERS = {
    pb.SEARCH_ORDER_UNSPECIFIED: Order.DISTANCE,
    pb.SEARCH_ORDER_DISTANCE: Order.DISTANCE,
    pb.SEARCH_ORDER_PRICE: Order.PRICE,
}


def public_lots(given: Sequence[pb.PublicLot], today: date) -> list[PublicLot]:
    """Names the field as `lots[3].fees.unit_fee_won`; today: in Seoul."""
    if not 1 <= len(given) <= MAX_LOTS:
        raise InvalidArgument("lots", f"expected 1 to {MAX_LOTS}, got {len(given)}")
    found: list[PublicLot] = []
    places: dict[object, int] = {}
    for index, message in enumerate(given):
        one = _public_lot(f"lots[{index}]", message, today)
        first = places.setdefault(one.published, index)
        if first != index:
            raise InvalidArgument(
                f"lots[{index}].name",
                f"expected each name of a number once, it stands at {first} already",
            )
        found.append(one)
    if sum(one.bays for one in found) > MAX_BAYS_OF_CALL:
        raise InvalidArgument("lots", f"expected at most {MAX_BAYS_OF_CALL} bays in a call")
    return found


def _public_lot(field: str, message: pb.PublicLot, today: date) -> PublicLot:
    number, provider = message.management_number.lower(), message.provider_code.lower()
    if not _NUMBER.fullmatch(number):
        raise InvalidArgument(
            f"{field}.management_number", "expected 1 to 30 letters, digits and inner hyphens"
        )
    if not _PROVIDER.fullmatch(provider):
        raise InvalidArgument(f"{field}.provider_code", "expected 1 to 10 letters and digits")
    identity = published(provider, number, messages.words(f"{field}.name", message.name, 100))
    lot = Lot(
        lot_id="",
        kind=LotKind.PUBLIC,
        name=identity.name,
        address=messages.words(f"{field}.address", message.address, 200),
        position=_position(f"{field}.position", message),
        hours=_operating_hours(f"{field}.hours", message.hours),
        fees=_fees(f"{field}.fees", message.fees),
        operator=messages.words(f"{field}.operator", message.operator, 100),
        phone=messages.words(f"{field}.phone", message.phone, 40, empty=True),
        remark=messages.words(f"{field}.remark", message.remark, 500, empty=True),
        district=messages.words(f"{field}.district", message.district, 100),
        scheme=PUBLIC_SCHEME,
        published=identity,
        data_date=_data_date(f"{field}.data_date", message.data_date, today),
    )
    return PublicLot(identity, lot, _whole(f"{field}.bays", message.bays, 0, MAX_BAYS_OF_LOT))


def _position(
    field: str, message: pb.PublicLot | pb.RegisterSharedLotRequest | pb.OfferBayRequest
) -> Point:
    if not message.HasField("position"):
        raise InvalidArgument(field, "expected degrees, WGS 84")
    return messages.point(field, message.position)


def _data_date(field: str, text: str, today: date) -> date:
    try:
        found = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or found > today:
        raise InvalidArgument(field, f"expected yyyy-mm-dd, not after today, got {text[:20]!r}")
    return found


def _operating_hours(field: str, message: pb.OperatingHours) -> OperatingHours:
    def on(kind: Literal["weekday", "saturday", "holiday"]) -> Hours | None:
        if not message.HasField(kind):
            return None
        return _hours(f"{field}.{kind}", getattr(message, kind))

    return OperatingHours(on("weekday"), on("saturday"), on("holiday"))


def _hours(field: str, message: pb.Hours | pb.WeeklyWindow) -> Hours:
    start = _whole(f"{field}.start_minute", message.start_minute, 0, MINUTES_OF_DAY)
    return Hours(
        start, _whole(f"{field}.end_minute", message.end_minute, start + 1, MINUTES_OF_DAY)
    )


def _fees(field: str, message: pb.FeeSchedule) -> FeeSchedule:
    kind = _FEE_KINDS.get(message.kind)
    if kind is None:
        raise InvalidArgument(f"{field}.kind", "expected free, metered or contract")
    basic_fee_won = _whole(f"{field}.basic_fee_won", message.basic_fee_won, 0, MAX_FEE_WON)
    unit_fee_won = _whole(f"{field}.unit_fee_won", message.unit_fee_won, 0, MAX_UNIT_FEE_WON)
    if kind is not FeeKind.METERED:
        for name, fee in (("basic_fee_won", basic_fee_won), ("unit_fee_won", unit_fee_won)):
            if fee:
                raise InvalidArgument(f"{field}.{name}", f"expected 0 of such a lot, got {fee}")
    return FeeSchedule(
        kind=kind,
        basic_minutes=_whole(f"{field}.basic_minutes", message.basic_minutes, 0, MINUTES_OF_DAY),
        basic_fee_won=basic_fee_won,
        unit_minutes=_whole(
            f"{field}.unit_minutes",
            message.unit_minutes,
            1 if unit_fee_won else 0,
            MINUTES_OF_DAY,
        ),
        unit_fee_won=unit_fee_won,
        day_pass_won=_optional(field, message, "day_pass_won", MAX_FEE_WON),
        day_pass_from_minutes=_optional(field, message, "day_pass_from_minutes", MINUTES_OF_DAY),
        monthly_pass_won=_optional(field, message, "monthly_pass_won", MAX_FEE_WON),
    )


def _optional(
    field: str, message: pb.FeeSchedule | pb.RegisterSharedLotRequest, name: str, most: int
) -> int | None:
    if not message.HasField(name):  # type: ignore[arg-type]
        return None
    return _whole(f"{field}.{name}" if field else name, getattr(message, name), 1, most)


def _whole(field: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise InvalidArgument(field, f"expected {least} to {most}, got {value}")
    return value


def shared_lot(request: pb.RegisterSharedLotRequest) -> Lot:
    least = _whole("min_unit_fee_won", request.min_unit_fee_won, 0, MAX_UNIT_FEE_WON)
    return Lot(
        lot_id=messages.name("lot_id", request.lot_id),
        kind=LotKind.SHARED,
        name=messages.words("name", request.name, 100),
        address=messages.words("address", request.address, 200),
        position=_position("position", request),
        hours=ALWAYS,
        fees=shared_fees(
            _whole("unit_minutes", request.unit_minutes, 1, MINUTES_OF_DAY),
            least,
            _optional("", request, "day_pass_won", MAX_FEE_WON),
        ),
        operator=messages.words("operator", request.operator, 100),
        phone="",
        remark="",
        district=messages.words("district", request.district, 100),
        scheme=messages.name("scheme", request.scheme),
        min_unit_fee_won=least,
        max_unit_fee_won=_whole(
            "max_unit_fee_won", request.max_unit_fee_won, least, MAX_UNIT_FEE_WON
        ),
    )


def offer(request: pb.OfferBayRequest) -> Offer:
    return Offer(
        bay_id=messages.name("bay_id", request.bay_id),
        lot_id=messages.name("lot_id", request.lot_id),
        owner_id=messages.identity("owner_id", request.owner_id),
        position=_position("position", request),
        availability=_availability(request),
        unit_fee_won=_whole("unit_fee_won", request.unit_fee_won, 0, MAX_UNIT_FEE_WON),
    )


def _availability(request: pb.OfferBayRequest) -> Availability:
    for field, given, most in (
        ("weekly_windows", len(request.weekly_windows), MAX_WINDOWS),
        ("exceptions", len(request.exceptions), MAX_EXCEPTIONS),
    ):
        if given > most:
            raise InvalidArgument(field, f"expected at most {most}, got {given}")
    return Availability(
        tuple(
            _window(f"weekly_windows[{index}]", window)
            for index, window in enumerate(request.weekly_windows)
        ),
        tuple(
            WindowException(
                messages.interval(f"exceptions[{index}].interval", exception.interval),
                exception.offered,
            )
            for index, exception in enumerate(request.exceptions)
        ),
    )


def _window(field: str, message: pb.WeeklyWindow) -> WeeklyWindow:
    if not 1 <= message.weekday <= 7:
        raise InvalidArgument(f"{field}.weekday", "expected a day from Monday to Sunday")
    return WeeklyWindow(message.weekday, _hours(field, message))


def lot_kind(number: pb.LotKind.ValueType) -> LotKind | None:
    """None when unspecified."""
    if number and number not in _LOT_KINDS:
        raise InvalidArgument("kind", f"expected a known kind, got {number}")
    return _LOT_KINDS.get(number)


def priced_interval(message: pb.Interval) -> Interval:
    """One that can be priced."""
    found = messages.interval("interval", message)
    if found.starts_at < _FROM or found.ends_at > _TO:
        raise InvalidArgument("interval", "expected times of the years 2000 to 2050 in Seoul")
    if found.length > MAX_PRICED:
        raise InvalidArgument("interval", f"expected at most {MAX_PRICED.days} days")
    return found


def wanted(request: pb.SearchBaysRequest) -> Wanted:
    if not request.HasField("point"):
        raise InvalidArgument("point", "expected a position")
    if not 0 < request.radius_metres <= MAX_RADIUS_METRES:
        raise InvalidArgument(
            "radius_metres",
            f"expected above 0 to {MAX_RADIUS_METRES}, got {request.radius_metres:g}",
        )
    if request.order not in _ORDERS:
        raise InvalidArgument("order", f"expected a known order, got {request.order}")
    return Wanted(
        point=messages.point("point", request.point),
        radius_metres=request.radius_metres,
        interval=priced_interval(request.interval),
        order=_ORDERS[request.order],
        limit=_whole("limit", request.limit, 0, MAX_FOUND) or DEFAULT_FOUND,
    )
