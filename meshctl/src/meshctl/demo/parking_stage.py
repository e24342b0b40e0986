"""The stage of parking's scenes: an alley, its owners, cars and sensors, and public lots."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from city.parking.v1 import lot_pb2, occupancy_pb2
from city.type.v1.position_pb2 import Position

from loadtests.city.parking import wire
from loadtests.city.parking.alley import Owner
from loadtests.city.parking.fleet import fleet
from loadtests.city.parking.office import Office
from meshctl.demo.parking_plan import Span

ALLEY = "demo-alley"
_DRIVERS = 24
_SEED = 1
_DAY_MINUTES = 1_440
# Samjeong-dong; the bays lie one behind the other.
_NORTH, _EAST, _STEP = 37.5270, 126.7690, 0.00006
# Each begun minute of a stay costs the bay's own price, so that a minute of overstay costs.
_UNIT_MINUTES = 1
_FIRST_FEE_WON = 7
_FEE_STEP_WON = 4

BAYS = (
    *(f"rush-{number}" for number in (1, 2, 3, 4)),
    *(f"split-{number}" for number in (1, 2, 3, 4, 5, 6)),
    *(f"refund-{number}" for number in (1, 2, 3)),
    *(f"expiry-{number}" for number in (1, 2)),
    *(f"owner-{number}" for number in (1, 2)),
    "overstay-1",
    "no-show-1",
    *(f"sensor-{number}" for number in (1, 2, 3, 4)),
)
LATER_BAY = "later-1"
"""Lent only in the interval of an exception."""


@dataclass(frozen=True)
class Stage:
    """`fees` are won for each begun minute, by bay; every bay of the alley has its own owner.

    `public_bay` is of a metered public lot without owners, `contract_bay` of one for contract
    holders alone.
    """

    owners: Mapping[str, str]
    fees: Mapping[str, int]
    vehicles: Sequence[str]
    public_bay: str
    contract_bay: str

    def price(self, bay_id: str, span: Span) -> int:
        """Of a bay of the alley."""
        return self.fees[bay_id] * span.minutes


def from_now(ahead: int, minutes: int, seconds: int = 0) -> Span:
    """From `ahead` seconds from now on, so long."""
    start = int(time.time()) + ahead
    return Span(start, start + minutes * 60 + seconds)


def tomorrow() -> Span:
    """When LATER_BAY is lent."""
    return from_now(86_400, 30)


def sensor_of(bay_id: str) -> str:
    return f"{bay_id}-s"


async def build(office: Office, later: Span) -> Stage:
    """Register all; LATER_BAY is lent in `later`."""
    await office.register_alley(
        wire.keyed(
            lot_pb2.RegisterSharedLotRequest(
                lot_id=ALLEY,
                name="시연 골목",
                address="경기도 부천시 삼정동",
                position=Position(latitude=_NORTH, longitude=_EAST),
                operator="시연 마을기업",
                district="경기도 부천시",
                scheme="samjeong",
                unit_minutes=_UNIT_MINUTES,
                min_unit_fee_won=1,
                max_unit_fee_won=1_000,
            )
        )
    )
    bays = (*BAYS, LATER_BAY)
    cars = fleet(_SEED)[:_DRIVERS]
    owners, vehicles, lots = await asyncio.gather(
        asyncio.gather(*(_offer(office, number, later) for number in range(len(bays)))),
        asyncio.gather(*(office.register_vehicle(_SEED, car) for car in cars)),
        office.import_lots(wire.lots_import()),
    )
    sensors = occupancy_pb2.RegisterSensorsRequest(
        sensors=[
            occupancy_pb2.BaySensor(sensor_id=sensor_of(bay_id), bay_id=bay_id)
            for bay_id in bays
            if bay_id.startswith("sensor-")
        ]
    )
    await office.register_sensors(wire.keyed(sensors))
    metered, _, contract = [(await office.bays_of(lot_id))[0].bay_id for lot_id in lots]
    return Stage(
        owners=dict(zip(bays, owners, strict=True)),
        fees={bay_id: _fee(number) for number, bay_id in enumerate(bays)},
        vehicles=vehicles,
        public_bay=metered,
        contract_bay=contract,
    )


def _fee(number: int) -> int:
    return _FIRST_FEE_WON + _FEE_STEP_WON * number


async def _offer(office: Office, number: int, later: Span) -> str:
    bay_id = (*BAYS, LATER_BAY)[number]
    owner = Owner(f"시연 주민 {number + 1}", f"010-0000-{number + 1:04}")
    owner_id = await office.register_owner(_SEED, owner)
    request = lot_pb2.OfferBayRequest(
        bay_id=bay_id,
        lot_id=ALLEY,
        owner_id=owner_id,
        position=Position(latitude=_NORTH, longitude=_EAST + _STEP * number),
        unit_fee_won=_fee(number),
    )
    if bay_id == LATER_BAY:
        request.exceptions.add(interval=wire.interval(later.start, later.end), offered=True)
    else:
        for day in range(1, 8):
            request.weekly_windows.add(
                weekday=lot_pb2.Weekday.ValueType(day), start_minute=0, end_minute=_DAY_MINUTES
            )
    await office.offer_bay(wire.keyed(request))
    return owner_id
