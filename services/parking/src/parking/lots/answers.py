"""From the domain to the protocol's answers."""

from city.parking.v1 import lot_pb2 as pb

from parking import messages
from parking.lots.fees import FeeSchedule
from parking.lots.hours import DayKind, Hours, OperatingHours
from parking.lots.searching import Found
from parking.lots.store_lots import Standing
from parking.lots.terms import LotKind, Terms


def lot(standing: Standing) -> pb.Lot:
    known = standing.lot
    return pb.Lot(
        lot_id=known.lot_id,
        kind=_kind(known.kind),
        name=known.name,
        address=known.address,
        position=messages.position(known.position),
        bays=standing.bays,
        hours=_operating_hours(known.hours),
        fees=_fees(known.fees),
        operator=known.operator,
        phone=known.phone,
        remark=known.remark,
        district=known.district,
        scheme=known.scheme,
        min_unit_fee_won=known.min_unit_fee_won,
        max_unit_fee_won=known.max_unit_fee_won,
    )


def _kind(kind: LotKind) -> pb.LotKind.ValueType:
    return pb.LotKind.Value(f"LOT_KIND_{kind.name}")


def _operating_hours(known: OperatingHours) -> pb.OperatingHours:
    return pb.OperatingHours(**{kind: _hours(getattr(known, kind)) for kind in DayKind})


def _hours(known: Hours | None) -> pb.Hours | None:
    if known is None:
        return None
    return pb.Hours(start_minute=known.start_minute, end_minute=known.end_minute)


def _fees(known: FeeSchedule) -> pb.FeeSchedule:
    return pb.FeeSchedule(
        kind=pb.FeeKind.Value(f"FEE_KIND_{known.kind.name}"),
        basic_minutes=known.basic_minutes,
        basic_fee_won=known.basic_fee_won,
        unit_minutes=known.unit_minutes,
        unit_fee_won=known.unit_fee_won,
        day_pass_won=known.day_pass_won,
        day_pass_from_minutes=known.day_pass_from_minutes,
        monthly_pass_won=known.monthly_pass_won,
    )


def bay(terms: Terms) -> pb.Bay:
    """Windows and price are told of a SHARED bay alone; whose it is of none."""
    message = pb.Bay(
        bay_id=terms.bay_id,
        lot_id=terms.lot_id,
        position=messages.position(terms.position),
        in_service=terms.in_service,
    )
    if terms.lot_kind is LotKind.SHARED:
        message.unit_fee_won = terms.fees.unit_fee_won
        for window in terms.availability.windows:
            message.weekly_windows.add(
                weekday=pb.Weekday.ValueType(window.iso_weekday),
                start_minute=window.hours.start_minute,
                end_minute=window.hours.end_minute,
            )
        for exception in terms.availability.exceptions:
            message.exceptions.add(
                interval=messages.interval_message(exception.interval), offered=exception.offered
            )
    return message


def found_bay(found: Found) -> pb.FoundBay:
    return pb.FoundBay(
        bay=bay(found.terms),
        lot_name=found.lot_name,
        lot_kind=_kind(found.terms.lot_kind),
        distance_metres=found.distance_metres,
        price_won=found.price_won,
        free_bays=found.free_bays,
    )
