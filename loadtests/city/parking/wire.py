"""The model's alley, lots, cars and readings as messages of city.parking.v1."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from city.parking.v1 import booking_pb2, lot_pb2, occupancy_pb2, vault_pb2
from city.type.v1.position_pb2 import Position
from google.protobuf.timestamp_pb2 import Timestamp

from loadtests.city.cameras.places import Point
from loadtests.city.cameras.wire import chunks, idempotency_key
from loadtests.city.parking import alley as village
from loadtests.city.parking import lots, rates
from loadtests.city.parking.alley import Bay, Owner, Special
from loadtests.city.parking.fleet import Vehicle
from loadtests.city.parking.lots import Fees, Hours, PublicLot
from loadtests.city.parking.street import Reading

MESSAGE = 1_000
"""The most sensors or readings that one message holds."""

Change = (
    vault_pb2.RegisterOwnerRequest
    | vault_pb2.RegisterVehicleRequest
    | lot_pb2.RegisterSharedLotRequest
    | lot_pb2.OfferBayRequest
    | lot_pb2.ImportLotsRequest
    | occupancy_pb2.RegisterSensorsRequest
    | booking_pb2.HoldBayRequest
    | booking_pb2.BlockBayRequest
    | booking_pb2.ConfirmBookingRequest
    | booking_pb2.CheckInRequest
    | booking_pb2.CheckOutRequest
    | booking_pb2.CancelBookingRequest
)
_Change = TypeVar("_Change", bound=Change)
_Price = lot_pb2.SEARCH_ORDER_PRICE
_Distance = lot_pb2.SEARCH_ORDER_DISTANCE


def keyed(request: _Change, *purpose: object) -> _Change:
    """The same content for the same purpose makes the same idempotency key."""
    content = request.SerializeToString(deterministic=True).hex()
    request.idempotency_key = idempotency_key("parking", request.DESCRIPTOR.name, *purpose, content)
    return request


def owner_registration(seed: int, owner: Owner) -> vault_pb2.RegisterOwnerRequest:
    return keyed(vault_pb2.RegisterOwnerRequest(name=owner.name, contact=owner.contact), seed)


def vehicle_registration(seed: int, vehicle: Vehicle) -> vault_pb2.RegisterVehicleRequest:
    request = vault_pb2.RegisterVehicleRequest(plate=vehicle.plate, contact=vehicle.contact)
    return keyed(request, seed)


def alley_registration() -> lot_pb2.RegisterSharedLotRequest:
    return keyed(
        lot_pb2.RegisterSharedLotRequest(
            lot_id=village.LOT_ID,
            name=village.NAME,
            address=village.ADDRESS,
            position=position(village.MIDDLE),
            operator=village.OPERATOR,
            district=village.DISTRICT,
            scheme=village.SCHEME,
            unit_minutes=rates.UNIT_MINUTES,
            min_unit_fee_won=rates.MIN_UNIT_FEE_WON,
            max_unit_fee_won=rates.MAX_UNIT_FEE_WON,
            day_pass_won=rates.DAY_PASS_WON,
        )
    )


def offer(bay: Bay, owner_id: str, specials: Iterable[Special]) -> lot_pb2.OfferBayRequest:
    request = lot_pb2.OfferBayRequest(
        bay_id=bay.bay_id,
        lot_id=village.LOT_ID,
        owner_id=owner_id,
        position=position(bay.point),
        unit_fee_won=bay.unit_fee_won,
    )
    for window in bay.windows:
        request.weekly_windows.add(
            weekday=lot_pb2.Weekday.ValueType(window.weekday),
            start_minute=window.start,
            end_minute=window.end,
        )
    for special in specials:
        request.exceptions.add(
            interval=interval(special.start, special.end), offered=special.offered
        )
    return keyed(request)


def lots_import() -> lot_pb2.ImportLotsRequest:
    """The public lots around the alley."""
    return keyed(lot_pb2.ImportLotsRequest(lots=map(_public_lot, lots.LOTS)))


def sensor_registrations(bays: Sequence[Bay]) -> list[occupancy_pb2.RegisterSensorsRequest]:
    """One sensor a bay, MESSAGE a request."""
    return [
        keyed(
            occupancy_pb2.RegisterSensorsRequest(
                sensors=[
                    occupancy_pb2.BaySensor(sensor_id=bay.sensor_id, bay_id=bay.bay_id)
                    for bay in chunk
                ]
            )
        )
        for chunk in chunks(bays, MESSAGE)
    ]


def reports(readings: Sequence[Reading]) -> Iterator[occupancy_pb2.ReportOccupancyRequest]:
    """Messages of a ReportOccupancy call."""
    for chunk in chunks(readings, MESSAGE):
        yield occupancy_pb2.ReportOccupancyRequest(
            readings=[
                occupancy_pb2.OccupancyReading(
                    sensor_id=one.sensor_id,
                    occupied=one.occupied,
                    observed_at=_at(one.micros),
                )
                for one in chunk
            ]
        )


def search(
    point: Point, radius_metres: float, wanted: lot_pb2.Interval, *, by_price: bool
) -> lot_pb2.SearchBaysRequest:
    return lot_pb2.SearchBaysRequest(
        point=position(point),
        radius_metres=radius_metres,
        interval=wanted,
        order=_Price if by_price else _Distance,
    )


def interval(start: float, end: float) -> lot_pb2.Interval:
    """Seconds since 1970 UTC."""
    return lot_pb2.Interval(
        starts_at=_at(round(start * 1_000_000)), ends_at=_at(round(end * 1_000_000))
    )


def position(point: Point) -> Position:
    return Position(latitude=point[0], longitude=point[1])


def _at(micros: int) -> Timestamp:
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1_000)


def _public_lot(lot: PublicLot) -> lot_pb2.PublicLot:
    return lot_pb2.PublicLot(
        management_number=lot.management_number,
        name=lot.name,
        provider_code=lots.PROVIDER_CODE,
        district=lots.DISTRICT,
        address=lot.address,
        position=position(lot.point),
        bays=lot.bays,
        hours=lot_pb2.OperatingHours(
            weekday=_hours(lot.hours[0]),
            saturday=_hours(lot.hours[1]),
            holiday=_hours(lot.hours[2]),
        ),
        fees=_fees(lot.fees),
        operator=lots.OPERATOR,
        phone=lot.phone,
        remark=lot.remark,
        data_date=lots.DATA_DATE,
    )


def _hours(hours: Hours) -> lot_pb2.Hours | None:
    return None if hours is None else lot_pb2.Hours(start_minute=hours[0], end_minute=hours[1])


def _fees(fees: Fees) -> lot_pb2.FeeSchedule:
    return lot_pb2.FeeSchedule(
        kind=lot_pb2.FEE_KIND_CONTRACT if fees.contract_only else lot_pb2.FEE_KIND_METERED,
        basic_minutes=fees.basic_minutes,
        basic_fee_won=fees.basic_fee_won,
        unit_minutes=fees.unit_minutes,
        unit_fee_won=fees.unit_fee_won,
        day_pass_won=fees.day_pass_won,
        day_pass_from_minutes=fees.day_pass_from_minutes,
        monthly_pass_won=fees.monthly_pass_won,
    )
