"""SQL of what is free near a point. Every function works in the caller's transaction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple

from city_backbone.database import Connection
from city_backbone.geo import Box, Point, boxes_around, distance_metres

from parking.interval import Interval
from parking.lots import rows, store
from parking.lots.availability import Availability
from parking.lots.fees import FeeSchedule
from parking.lots.hours import OperatingHours
from parking.lots.terms import Terms

MAX_LOTS = 2_000
MAX_BAYS = 2_000
# A car that is past its end may take so long to go.
_OVERSTAYED_BLOCKS = timedelta(hours=1)

# Two live claims on a bay never overlap; a hold that nobody has ended yet may be past its end. They
# are read once, whatever the planner thinks of their number: a join made it as often as there are
# bays.
_FREE: LiteralString = (
    "b.in_service and b.bay_id not in (select k.bay_id from booking k"
    " where k.status in ('HELD', 'CONFIRMED', 'OCCUPIED')"
    " and k.during && tstzrange(%(starts_at)s, %(ends_at)s)"
    " and (k.status <> 'HELD' or k.hold_expires_at > %(now)s))"
    " and b.bay_id <> all (array(select k.bay_id from booking k"
    " where k.status in ('OCCUPIED', 'OVERSTAYED') and upper(k.during) <= %(now)s"
    " and %(starts_at)s <= %(soon)s))"
)
# Degrees east shrink towards the poles; near enough to say which are nearest.
_NEARNESS: LiteralString = (
    " order by ((position[0] - %(east)s) * %(shrink)s) ^ 2 + (position[1] - %(north)s) ^ 2"
)


@dataclass(frozen=True, slots=True)
class PublicPlace:
    """A lot of the city that sells stays, or gives them away."""

    lot_id: str
    name: str
    distance_metres: float
    hours: OperatingHours
    fees: FeeSchedule


class SharedPlace(NamedTuple):
    """A bay of an alley; whether it is offered its terms say."""

    terms: Terms
    lot_name: str
    distance_metres: float


class Free(NamedTuple):
    """The lowest-numbered free bay of a lot, and how many are free."""

    bay_id: str
    bays: int


class Alike(NamedTuple):
    """Free bays of an alley that are lent at the same times."""

    lot_id: str
    availability: Availability
    bays: int


async def public_places(
    connection: Connection, centre: Point, radius_metres: float
) -> list[PublicPlace]:
    """Within the radius, at most the nearest MAX_LOTS; not those of contract holders alone."""
    within, given = _within(centre, radius_metres)
    found = await connection.execute(
        "select lot_id, name, hours::text, fees::text,"
        " position[1] as latitude, position[0] as longitude"
        f" from lot where ({within}) and kind = 'PUBLIC' and fees->>'kind' <> 'CONTRACT'"
        f"{_NEARNESS}, lot_id limit %(most)s",
        {**given, "most": MAX_LOTS},
    )
    return [
        PublicPlace(
            row["lot_id"], row["name"], distance, rows.hours(row["hours"]), rows.fees(row["fees"])
        )
        async for row in found
        if (distance := _distance(row, centre)) <= radius_metres
    ]


async def free_of_lots(
    connection: Connection, lot_ids: Sequence[str], interval: Interval, now: datetime
) -> dict[str, Free]:
    """Of those that have any."""
    found = await connection.execute(
        "select b.lot_id, (array_agg(b.bay_id order by b.number))[1] as bay_id, count(*) as bays"
        f" from bay b where b.lot_id = any(%(lots)s) and {_FREE} group by b.lot_id",
        {"lots": list(lot_ids), **_moments(interval, now)},
    )
    return {row["lot_id"]: Free(row["bay_id"], row["bays"]) async for row in found}


async def shared_places(
    connection: Connection, centre: Point, radius_metres: float, interval: Interval, now: datetime
) -> list[SharedPlace]:
    """Free bays within the radius, of at most the nearest MAX_BAYS."""
    within, given = _within(centre, radius_metres)
    found = await connection.execute(
        f"select {store.COLUMNS}, l.name from (select * from bay where ({within})"
        f" and owner_id is not null{_NEARNESS}, bay_id limit %(most)s) b"
        f" join lot l using (lot_id) where {_FREE}",
        {**given, "most": MAX_BAYS, **_moments(interval, now)},
    )
    return [
        SharedPlace(store.from_row(row), row["name"], distance)
        async for row in found
        if (distance := _distance(row, centre)) <= radius_metres
    ]


async def free_of_alleys(
    connection: Connection, lot_ids: Sequence[str], interval: Interval, now: datetime
) -> list[Alike]:
    """Free bays of these alleys, of the first MAX_BAYS of each."""
    found = await connection.execute(
        "select b.lot_id, b.weekly_windows::text, b.exceptions::text, count(*) as bays from bay b"
        f" where b.lot_id = any(%(lots)s) and b.number <= %(most)s and {_FREE}"
        " group by b.lot_id, b.weekly_windows, b.exceptions",
        {"lots": list(lot_ids), "most": MAX_BAYS, **_moments(interval, now)},
    )
    return [
        Alike(
            row["lot_id"], rows.availability(row["weekly_windows"], row["exceptions"]), row["bays"]
        )
        async for row in found
    ]


def _within(centre: Point, radius_metres: float) -> tuple[LiteralString, dict[str, float]]:
    """A condition on `position` for its index, and its parameters with those of _NEARNESS."""
    conditions: list[LiteralString] = []
    given = {
        "east": centre.longitude,
        "north": centre.latitude,
        "shrink": math.cos(math.radians(centre.latitude)),
    }
    names: tuple[LiteralString, ...] = ("0", "1")
    for name, box in zip(names, boxes_around(centre, radius_metres), strict=False):
        conditions.append(
            f"position <@ box(point(%(west{name})s, %(south{name})s),"
            f" point(%(east{name})s, %(north{name})s))"
        )
        given.update(_edges(name, box))
    return " or ".join(conditions), given


def _edges(name: str, box: Box) -> dict[str, float]:
    return {
        f"west{name}": box.west,
        f"south{name}": box.south,
        f"east{name}": box.east,
        f"north{name}": box.north,
    }


def _distance(row: Mapping[str, Any], centre: Point) -> float:
    return distance_metres(Point(row["latitude"], row["longitude"]), centre)


def _moments(interval: Interval, now: datetime) -> dict[str, datetime]:
    return {
        "starts_at": interval.starts_at,
        "ends_at": interval.ends_at,
        "now": now,
        "soon": now + _OVERSTAYED_BLOCKS,
    }
