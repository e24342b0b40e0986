"""What can be held near a point, and all lots on a map."""

import math
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from city.parking.v1 import lot_pb2 as pb
from city.type.v1.position_pb2 import Position
from city_backbone.geo import Point, distance_metres
from city_backbone.testing import Mesh, eventually

from .lots_mesh import Lots, interval, key, public_lot, running_lots, somewhere, tomorrow

pytestmark = pytest.mark.asyncio(loop_scope="module")

METRE = 1 / 111_195  # north, in degrees
FREE = pb.FeeSchedule(kind=pb.FEE_KIND_FREE)
CONTRACT = pb.FeeSchedule(kind=pb.FEE_KIND_CONTRACT)
# Once for all: the tests may run past midnight.
STARTS_AT = tomorrow()
STAY = interval(STARTS_AT)
HOUR_WON = 300 + 3 * 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lots(mesh: Mesh) -> AsyncIterator[Lots]:
    async with running_lots(mesh) as running:
        yield running


def north(point: Position, metres: float) -> Position:
    return Position(latitude=point.latitude + metres * METRE, longitude=point.longitude)


def at(point: Position) -> Point:
    return Point(point.latitude, point.longitude)


def ids(found: Sequence[pb.FoundBay]) -> list[str]:
    return [one.bay.bay_id for one in found]


async def test_the_nearest_or_the_cheapest_first(lots: Lots) -> None:
    here = somewhere()
    metered, free = await lots.bring(
        public_lot(position=north(here, 100)), public_lot(position=north(here, 300), fees=FREE)
    )
    alley = await lots.alley(position=here)
    cheap = await lots.offer(alley, position=north(here, 200), unit_fee_won=60)
    dear = await lots.offer(alley, position=north(here, 50), unit_fee_won=290)
    by_distance = [dear.bay_id, f"{metered}-001", cheap.bay_id, f"{free}-001"]
    assert ids(await lots.search(here, STAY)) == by_distance
    found = await lots.search(here, STAY, order=pb.SEARCH_ORDER_PRICE)
    assert ids(found) == [f"{free}-001", cheap.bay_id, f"{metered}-001", dear.bay_id]
    assert [one.price_won for one in found] == [0, 6 * 60, HOUR_WON, 6 * 290]
    assert [round(one.distance_metres) for one in found] == [300, 200, 100, 50]
    assert [one.lot_kind for one in found[:2]] == [pb.LOT_KIND_PUBLIC, pb.LOT_KIND_SHARED]
    assert [one.lot_name for one in found[:2]] == ["중앙공원", alley.name]
    assert found[1].bay == cheap
    for order in (pb.SEARCH_ORDER_DISTANCE, pb.SEARCH_ORDER_PRICE):
        first = ids(await lots.search(here, STAY, limit=1, order=order))
        assert first == (by_distance[:1] if order == pb.SEARCH_ORDER_DISTANCE else ids(found[:1]))


async def test_at_one_distance_the_cheapest_and_at_one_price_the_nearest(lots: Lots) -> None:
    here = somewhere()
    alley = await lots.alley(position=here)
    for name, metres, won in (("b", 0, 200), ("a", 0, 200), ("c", 0, 100), ("d", 10, 100)):
        await lots.offer(
            alley,
            bay_id=f"{alley.lot_id}-{name}",
            position=north(here, metres),
            unit_fee_won=won,
        )
    by_distance = [one[-1] for one in ids(await lots.search(here, STAY))]
    assert by_distance == ["c", "a", "b", "d"]
    found = await lots.search(here, STAY, order=pb.SEARCH_ORDER_PRICE)
    assert [one[-1] for one in ids(found)] == ["c", "d", "a", "b"]


async def test_of_a_public_lot_the_lowest_free_bay_and_how_many(lots: Lots) -> None:
    here = somewhere()
    given = public_lot(position=here, bays=5)
    (lot_id,) = await lots.bring(given)
    starts_at = STARTS_AT
    an_hour = timedelta(hours=1)
    await lots.claim(f"{lot_id}-001", STAY, "CONFIRMED")
    # These only touch.
    await lots.claim(f"{lot_id}-002", interval(starts_at - an_hour), "OCCUPIED")
    await lots.claim(f"{lot_id}-002", interval(starts_at + an_hour), "HELD")
    await lots.claim(f"{lot_id}-003", interval(starts_at + an_hour / 2), "OCCUPIED")
    (found,) = await lots.search(here, STAY)
    assert (found.bay.bay_id, found.free_bays) == (f"{lot_id}-002", 3)
    await lots.claim(f"{lot_id}-002", STAY, "HELD")
    (found,) = await lots.search(here, STAY)
    assert (found.bay.bay_id, found.free_bays) == (f"{lot_id}-004", 2)
    given.bays = 4
    await lots.bring(given)
    (found,) = await lots.search(here, STAY)
    assert (found.bay.bay_id, found.free_bays) == (f"{lot_id}-004", 1)
    await lots.claim(f"{lot_id}-004", STAY, "OCCUPIED")
    assert await lots.search(here, STAY) == []


@pytest.mark.parametrize("status", ["SETTLED", "REFUNDED", "EXPIRED", "RELEASED"])
async def test_what_has_ended_takes_no_bay(lots: Lots, status: str) -> None:
    here = somewhere()
    (lot_id,) = await lots.bring(public_lot(position=here, bays=1))
    await lots.claim(f"{lot_id}-001", STAY, status)
    assert ids(await lots.search(here, STAY)) == [f"{lot_id}-001"]


async def test_a_hold_that_is_over_takes_no_bay(lots: Lots) -> None:
    here = somewhere()
    bay = await lots.offer(await lots.alley(position=here))
    await lots.claim(bay.bay_id, STAY, "HELD", expires=datetime.now(UTC))
    assert ids(await lots.search(here, STAY)) == [bay.bay_id]
    await lots.rows("update booking set status = 'EXPIRED' where bay_id = %s", bay.bay_id)
    await lots.claim(bay.bay_id, STAY, "HELD")
    assert await lots.search(here, STAY) == []


async def test_a_car_that_overstays_takes_the_next_hour(lots: Lots) -> None:
    here, now = somewhere(), datetime.now(UTC)
    (lot_id,) = await lots.bring(public_lot(position=here, bays=2))
    bay = await lots.offer(await lots.alley(position=here))
    for bay_id in (f"{lot_id}-001", bay.bay_id):
        await lots.claim(bay_id, interval(now - timedelta(hours=2)), "OVERSTAYED")
    (soon,) = await lots.search(here, interval(now + timedelta(minutes=59)))
    assert (soon.bay.bay_id, soon.free_bays) == (f"{lot_id}-002", 1)
    later = await lots.search(here, interval(now + timedelta(minutes=61)))
    assert {*ids(later)} == {f"{lot_id}-001", bay.bay_id}


async def test_only_what_can_be_booked_for_the_whole_interval(lots: Lots) -> None:
    here, starts_at = somewhere(), STARTS_AT
    await lots.bring(public_lot(position=here, fees=CONTRACT), public_lot(position=here, bays=0))
    alley = await lots.alley(position=here)
    open_until = pb.WindowException(interval=interval(starts_at - timedelta(hours=1), 2.5))
    open_until.offered = True
    bay = await lots.offer(alley, weekly_windows=[], exceptions=[open_until])
    closed = pb.WindowException(interval=interval(starts_at + timedelta(minutes=90)))
    await lots.offer(alley, exceptions=[closed])
    found = await lots.search(here, interval(starts_at, 1.5))
    assert [one.free_bays for one in found] == [2, 2]
    assert bay.bay_id in ids(found)
    assert await lots.search(here, interval(starts_at, 1.75)) == []
    await lots.rows("update bay set in_service = false where bay_id = %s", bay.bay_id)
    assert [one.free_bays for one in await lots.search(here, STAY)] == [1]


async def test_only_within_the_radius_however_wide(lots: Lots) -> None:
    here = somewhere()
    (lot_id,) = await lots.bring(public_lot(position=north(here, 4_990)))
    far = await lots.offer(await lots.alley(position=north(here, 3_000)))
    near = await lots.offer(await lots.alley(position=north(here, 400)))
    assert await lots.search(here, STAY, radius_metres=399.0) == []
    assert ids(await lots.search(here, STAY, radius_metres=401.0)) == [near.bay_id]
    assert ids(await lots.search(here, STAY, radius_metres=401.0, order=2)) == [near.bay_id]
    assert ids(await lots.search(here, STAY, radius_metres=4_900.0)) == [near.bay_id, far.bay_id]
    wide = await lots.search(here, STAY, radius_metres=5_000.0)
    assert ids(wide) == [near.bay_id, far.bay_id, f"{lot_id}-001"]
    # The corners of the box are not within the radius.
    corner = Position(latitude=0.0, longitude=random.uniform(-170, 170))
    diagonal = Position(latitude=350 * METRE, longitude=corner.longitude + 350 * METRE)
    (other,) = await lots.bring(public_lot(position=diagonal))
    assert await lots.search(corner, STAY, radius_metres=490.0) == []
    assert ids(await lots.search(corner, STAY, radius_metres=500.0)) == [f"{other}-001"]


async def test_across_the_antimeridian(lots: Lots) -> None:
    latitude = random.uniform(-60, -40)
    bays = []
    for longitude in (179.9999, -179.9999):
        place = Position(latitude=latitude, longitude=longitude)
        bays.append((await lots.offer(await lots.alley(position=place))).bay_id)
    here = Position(latitude=latitude, longitude=180.0)
    assert {*ids(await lots.search(here, STAY, radius_metres=100.0))} == {*bays}


async def test_full_lots_make_room_for_those_behind_them(lots: Lots) -> None:
    here = somewhere()
    lot_ids = await lots.bring(
        *[public_lot(position=north(here, metres), bays=1) for metres in range(10, 80, 10)]
    )
    for lot_id in lot_ids[:5]:
        await lots.claim(f"{lot_id}-001", STAY, "CONFIRMED")
    found = await lots.search(here, STAY, limit=2)
    assert ids(found) == [f"{lot_ids[5]}-001", f"{lot_ids[6]}-001"]


async def test_a_search_is_what_one_by_one_gives(lots: Lots) -> None:
    """Against every bay asked for by itself: claims, offers, prices and distances at random."""
    chance, here, starts_at = random.Random(280), somewhere(), STARTS_AT

    def place() -> Position:
        shrink = math.cos(math.radians(here.latitude))
        return Position(
            latitude=here.latitude + chance.uniform(-700, 700) * METRE,
            longitude=here.longitude + chance.uniform(-700, 700) * METRE / shrink,
        )

    lot_ids = await lots.bring(
        *[
            public_lot(
                position=place(),
                bays=chance.randint(0, 4),
                fees=chance.choice([FREE, CONTRACT, public_lot().fees]),
            )
            for _ in range(25)
        ]
    )
    alley, owner_id = await lots.alley(position=here), await lots.owner()
    for _ in range(40):
        lent = interval(starts_at + timedelta(minutes=chance.randint(-90, 30)), 2)
        exception = pb.WindowException(interval=lent, offered=chance.random() < 0.5)
        await lots.offer(
            alley,
            owner_id=owner_id,
            position=place(),
            exceptions=[exception],
            unit_fee_won=chance.randrange(50, 301, 50),
        )
    bays = await lots.rows(
        "select b.bay_id, b.lot_id, b.number, b.exceptions, l.kind, l.fees, b.in_service,"
        " b.unit_fee_won, b.position[1] as latitude, b.position[0] as longitude from bay b"
        " join lot l using (lot_id) where lot_id = any(%s)",
        [*lot_ids, alley.lot_id],
    )
    claimed = {}
    for bay in bays:
        if chance.random() < 0.4:
            claimed[bay["bay_id"]] = starts_at + timedelta(minutes=chance.randint(-120, 120))
            await lots.claim(bay["bay_id"], interval(claimed[bay["bay_id"]]), "CONFIRMED")

    def free(bay: dict[str, Any], start: datetime, end: datetime) -> bool:
        claim = claimed.get(bay["bay_id"])
        if claim is not None and claim < end and start < claim + timedelta(hours=1):
            return False
        for opens, closes, offered in bay["exceptions"]:
            if start < datetime.fromisoformat(closes) and datetime.fromisoformat(opens) < end:
                return bool(offered)
        return bool(bay["in_service"]) and bay["fees"]["kind"] != "CONTRACT"

    def price(bay: dict[str, Any], units: int) -> int:
        if bay["kind"] == "SHARED":
            return units * int(bay["unit_fee_won"])
        return 0 if bay["fees"]["kind"] == "FREE" else 300 + max(0, units - 3) * 200

    seen = 0
    for minutes, radius, limit, order in (
        (60, 500.0, 10, pb.SEARCH_ORDER_DISTANCE),
        (60, 900.0, 100, pb.SEARCH_ORDER_DISTANCE),
        (30, 900.0, 7, pb.SEARCH_ORDER_PRICE),
        (90, 300.0, 100, pb.SEARCH_ORDER_PRICE),
        (60, 1_000.0, 3, pb.SEARCH_ORDER_DISTANCE),
    ):
        end = starts_at + timedelta(minutes=minutes)
        expected: list[tuple[Any, ...]] = []
        for lot_id in {bay["lot_id"] for bay in bays}:
            those = [one for one in bays if one["lot_id"] == lot_id and free(one, starts_at, end)]
            those.sort(key=lambda one: int(one["number"]))
            shown = those if lot_id == alley.lot_id else those[:1]
            for bay in shown:
                distance = distance_metres(Point(bay["latitude"], bay["longitude"]), at(here))
                if distance <= radius:
                    won = price(bay, minutes // 10)
                    pair = (distance, won) if order == pb.SEARCH_ORDER_DISTANCE else (won, distance)
                    expected.append((*pair, bay["bay_id"], len(those)))
        found = await lots.search(
            here, interval(starts_at, minutes / 60), radius_metres=radius, limit=limit, order=order
        )
        seen += len(found)
        assert [(one.bay.bay_id, one.free_bays) for one in found] == [
            one[-2:] for one in sorted(expected)[:limit]
        ]
    assert seen > 20


async def on_the_map(lots: Lots, **headers: str) -> tuple[Any, Any]:
    url = f"{lots.service.http_url}/lots.geojson"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response, await response.json(content_type=None) if response.status == 200 else None


async def feature(lots: Lots, lot_id: str) -> Any:
    """The lot as the map shows it; None while it does not."""
    _, collection = await on_the_map(lots)
    return next((one for one in collection["features"] if one["id"] == lot_id), None)


async def test_the_map_shows_all_lots_to_everyone(lots: Lots) -> None:
    given = public_lot(bays=3)
    (lot_id,) = await lots.bring(given)
    alley = await lots.alley()
    shown = await eventually(lambda: feature(lots, alley.lot_id))
    assert shown["properties"]["kind"] == "SHARED"
    response, collection = await on_the_map(lots)
    assert response.headers["Content-Type"] == "application/geo+json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "max-age=5"
    assert collection["type"] == "FeatureCollection"
    (shown,) = (one for one in collection["features"] if one["id"] == lot_id)
    assert shown == {
        "type": "Feature",
        "id": lot_id,
        "geometry": {
            "type": "Point",
            "coordinates": [given.position.longitude, given.position.latitude],
        },
        "properties": {
            "id": lot_id,
            "name": given.name,
            "kind": "PUBLIC",
            "operator": given.operator,
            "bays": 3,
            "occupied": 0,
            "reserved": 0,
            "free": 3,
            "fee_kind": "METERED",
            "basic_minutes": 30,
            "basic_fee_won": 300,
            "unit_minutes": 10,
            "unit_fee_won": 200,
            "day_pass_won": 4000,
        },
    }


async def test_the_map_counts_as_the_lot_was_counted(lots: Lots) -> None:
    (lot_id,) = await lots.bring(public_lot(bays=5))
    await lots.rows("insert into lot_state values (%s, 1, 5, 2, 1, now())", lot_id)

    async def counted() -> bool:
        shown = await feature(lots, lot_id)
        return shown is not None and shown["properties"]["free"] == 2

    await eventually(counted)
    await lots.rows("delete from lot_state where lot_id = %s", lot_id)


async def test_a_map_that_is_known_is_not_sent_again(lots: Lots) -> None:
    async def known() -> bool:
        response, _ = await on_the_map(lots)
        again, _ = await on_the_map(lots, **{"If-None-Match": response.headers["ETag"]})
        same = again.headers["ETag"] == response.headers["ETag"]
        return same and int(again.status) == 304

    await eventually(known)
    response, _ = await on_the_map(lots, **{"If-None-Match": f'"{key()}"'})
    assert response.status == 200
