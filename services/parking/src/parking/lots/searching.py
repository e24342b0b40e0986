"""Which bays can be held for an interval, near a point."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from functools import cache

from city_backbone.database import Connection
from city_backbone.geo import Point

from parking.interval import Interval
from parking.lots import bill, store, store_search
from parking.lots.terms import LotKind, Terms

# Ten free bays of an alley stand within a hundred metres; only a wider search reads more.
_FIRST_REACHES_METRES = (100.0, 250.0, 1_000.0)


class Order(Enum):
    """What comes first: the nearest, or the cheapest."""

    DISTANCE = auto()
    PRICE = auto()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a driver asks for."""

    point: Point
    radius_metres: float
    interval: Interval
    order: Order
    limit: int

    def key(self, distance_metres: float, price_won: int, name: str) -> tuple[float, float, str]:
        """To sort by; what is alike in both stands in the order of names."""
        if self.order is Order.DISTANCE:
            return distance_metres, price_won, name
        return price_won, distance_metres, name


@dataclass(frozen=True, slots=True)
class Found:
    """A bay that can be held for the whole interval, at this price.

    free_bays: of its lot, this one included.
    """

    terms: Terms
    lot_name: str
    distance_metres: float
    price_won: int
    free_bays: int


async def search(connection: Connection, wanted: Wanted, now: datetime) -> Sequence[Found]:
    """The first of them. Of a public lot, whose bays are alike, the lowest-numbered free one.

    How much is looked at is bounded: the nearest lots and bays, see store_search.
    """
    found = [
        *await _public(connection, wanted, now),
        *await _shared(connection, wanted, now),
    ]
    found.sort(key=lambda one: wanted.key(one.distance_metres, one.price_won, one.terms.bay_id))
    return await _counted(connection, found[: wanted.limit], wanted.interval, now)


async def _public(connection: Connection, wanted: Wanted, now: datetime) -> list[Found]:
    """Lots are priced first, and their bays counted for no more of them than are needed."""
    priced = [
        (place, bill.price_of(place.fees, place.hours, wanted.interval).won)
        for place in await store_search.public_places(
            connection, wanted.point, wanted.radius_metres
        )
    ]
    priced.sort(key=lambda one: wanted.key(one[0].distance_metres, one[1], one[0].lot_id))
    found: list[Found] = []
    for start in range(0, len(priced), wanted.limit):
        some = priced[start : start + wanted.limit]
        free = await store_search.free_of_lots(
            connection, [place.lot_id for place, _ in some], wanted.interval, now
        )
        terms = await store.terms(connection, [one.bay_id for one in free.values()])
        for place, price in some:
            if one := free.get(place.lot_id):
                found.append(
                    Found(terms[one.bay_id], place.name, place.distance_metres, price, one.bays)
                )
        if len(found) >= wanted.limit:
            break
    return found


async def _shared(connection: Connection, wanted: Wanted, now: datetime) -> list[Found]:
    reaches = [wanted.radius_metres]
    if wanted.order is Order.DISTANCE:
        nearer = (reach for reach in _FIRST_REACHES_METRES if reach < wanted.radius_metres)
        reaches = [*nearer, wanted.radius_metres]
    # Hundreds of bays have a dozen prices.
    price = cache(lambda fees, hours: bill.price_of(fees, hours, wanted.interval).won)
    found: list[Found] = []
    for reach in reaches:
        places = await store_search.shared_places(
            connection, wanted.point, reach, wanted.interval, now
        )
        found = [
            Found(
                place.terms,
                place.lot_name,
                place.distance_metres,
                price(place.terms.fees, place.terms.hours),
                0,
            )
            for place in places
            if place.terms.is_offered(wanted.interval)
        ]
        if len(found) >= wanted.limit:
            break
    return found


async def _counted(
    connection: Connection, found: Sequence[Found], interval: Interval, now: datetime
) -> Sequence[Found]:
    """With how many bays of their alleys are free."""
    alleys = {one.terms.lot_id for one in found if one.terms.lot_kind is LotKind.SHARED}
    if not alleys:
        return found
    free = Counter[str]()
    for some in await store_search.free_of_alleys(connection, sorted(alleys), interval, now):
        if some.availability.offered(interval):
            free[some.lot_id] += some.bays
    return [
        replace(one, free_bays=free[one.terms.lot_id]) if one.terms.lot_id in alleys else one
        for one in found
    ]
