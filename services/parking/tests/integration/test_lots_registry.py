"""Lots and bays as registered: what is imported, offered and read again."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
import pytest_asyncio
from city.parking.v1 import lot_pb2 as pb
from city_backbone.testing import Mesh, eventually
from parking.lots import store

from .lots_mesh import (
    ALL_WEEK,
    DEADLINE,
    PROVIDER,
    Lots,
    interval,
    key,
    public_lot,
    reason,
    refused,
    running_lots,
    somewhere,
    tomorrow,
    unique,
    violations,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lots(mesh: Mesh) -> AsyncIterator[Lots]:
    async with running_lots(mesh) as running:
        yield running


async def in_service(lots: Lots, lot_id: str) -> list[int]:
    found = await lots.rows(
        "select number from bay where lot_id = %s and in_service order by number", lot_id
    )
    return [row["number"] for row in found]


async def marked(lots: Lots, lot_id: str) -> int:
    """How often the lot was marked to be counted; forgets the marks."""
    found = await lots.rows("delete from lot_to_count where lot_id = %s returning lot_id", lot_id)
    return len(found)


async def test_what_was_imported_is_known(lots: Lots) -> None:
    given = public_lot()
    (lot_id,) = await lots.bring(given)
    assert lot_id == f"{PROVIDER}-{given.management_number}"
    assert await lots.lot(lot_id) == pb.Lot(
        lot_id=lot_id,
        kind=pb.LOT_KIND_PUBLIC,
        name=given.name,
        address=given.address,
        position=given.position,
        bays=5,
        hours=given.hours,
        fees=given.fees,
        operator=given.operator,
        phone=given.phone,
        remark=given.remark,
        district=given.district,
        scheme="public",
    )
    assert await lots.bay(f"{lot_id}-003") == pb.Bay(
        bay_id=f"{lot_id}-003", lot_id=lot_id, position=given.position, in_service=True
    )
    assert await marked(lots, lot_id) == 1


async def test_hours_and_passes_that_are_not_there_stay_away(lots: Lots) -> None:
    given = public_lot(fees=pb.FeeSchedule(kind=pb.FEE_KIND_FREE))
    given.hours.ClearField("holiday")
    (lot_id,) = await lots.bring(given)
    known = await lots.lot(lot_id)
    assert (known.hours, known.fees) == (given.hours, given.fees)
    assert not known.hours.HasField("holiday")
    assert not known.fees.HasField("day_pass_won")


async def test_fewer_bays_go_out_of_service_and_more_come(lots: Lots, mesh: Mesh) -> None:
    given = public_lot(bays=4)
    (lot_id,) = await lots.bring(given)
    await marked(lots, lot_id)
    given.bays = 2
    await lots.bring(given)
    assert await in_service(lots, lot_id) == [1, 2]
    assert not (await lots.bay(f"{lot_id}-003")).in_service
    assert (await lots.lot(lot_id)).bays == 2
    assert await marked(lots, lot_id) > 0
    given.bays = 6
    await lots.bring(given)
    assert await in_service(lots, lot_id) == [1, 2, 3, 4, 5, 6]
    assert await marked(lots, lot_id) > 0
    await lots.bring(given)
    assert await marked(lots, lot_id) == 0
    bay_ids = [f"{lot_id}-{number:03}" for number in range(1, 7)]
    assert await lots.told(mesh, *bay_ids) == [
        (bay_ids[2], "FREE", 2),
        (bay_ids[2], "OUT_OF_SERVICE", 1),
        (bay_ids[3], "FREE", 2),
        (bay_ids[3], "OUT_OF_SERVICE", 1),
    ]


async def test_a_lot_that_moves_takes_its_bays_along(lots: Lots) -> None:
    given = public_lot(bays=2)
    (lot_id,) = await lots.bring(given)
    await marked(lots, lot_id)
    given.position.CopyFrom(somewhere())
    await lots.bring(given)
    assert (await lots.bay(f"{lot_id}-002")).position == given.position
    assert await marked(lots, lot_id) == 0


async def test_numbers_go_on_after_999(lots: Lots) -> None:
    (lot_id,) = await lots.bring(public_lot(bays=1001))
    found = await lots.rows(
        "select bay_id from bay where lot_id = %s and number in (1, 999, 1000, 1001)", lot_id
    )
    assert {row["bay_id"] for row in found} == {
        f"{lot_id}-{number}" for number in ("001", "999", "1000", "1001")
    }


async def test_older_data_changes_nothing(lots: Lots) -> None:
    given = public_lot(remark="새")
    (lot_id,) = await lots.bring(given)
    older = pb.PublicLot()
    older.CopyFrom(given)
    older.data_date, older.remark, older.bays = "2022-10-16", "옛", 1
    assert await lots.bring(older, public_lot()) != [lot_id]
    known = await lots.lot(lot_id)
    assert (known.remark, known.bays) == ("새", 5)
    older.data_date = "2022-10-17"
    assert await lots.bring(older) == [lot_id]
    assert (await lots.lot(lot_id)).remark == "옛"


async def test_two_names_of_a_number_are_two_lots_however_they_come(lots: Lots) -> None:
    number = unique("000-2")
    library = public_lot(management_number=number, name="꿈빛도서관 옆", bays=3)
    lake = public_lot(management_number=number, name="호수로노외", bays=2)
    ids = await lots.bring(library, lake)
    assert len(set(ids)) == 2
    assert await lots.bring(lake, library) == ids[::-1]
    assert await lots.bring(lake) == ids[1:]
    assert [(await lots.lot(one)).name for one in ids] == ["꿈빛도서관 옆", "호수로노외"]
    assert [(await lots.lot(one)).bays for one in ids] == [3, 2]

    alone = unique("000-2")
    library.management_number = lake.management_number = alone
    (first,) = await lots.bring(library)
    assert first == f"{PROVIDER}-{alone}"
    (second,) = await lots.bring(lake)
    assert await lots.bring(lake, library) == [second, first]
    assert (await lots.lot(first)).name == "꿈빛도서관 옆"


async def test_all_or_none_once_per_key(lots: Lots) -> None:
    good, bad = public_lot(), public_lot()
    bad.fees.unit_fee_won = -5
    request = pb.ImportLotsRequest(idempotency_key=key(), lots=[good, good, public_lot(), bad])
    del request.lots[1]
    error = await refused(lots.stub.ImportLots(request, timeout=DEADLINE))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == ["lots[2].fees.unit_fee_won: expected 0 to 100000, got -5"]
    lot_id = f"{PROVIDER}-{good.management_number}"
    assert (await refused(lots.lot(lot_id))).code() is grpc.StatusCode.NOT_FOUND
    del request.lots[2]
    first = await lots.stub.ImportLots(request, timeout=DEADLINE)
    good.bays = 9
    await lots.bring(good)
    assert await lots.stub.ImportLots(request, timeout=DEADLINE) == first
    assert (await lots.lot(lot_id)).bays == 9
    request.lots[0].bays = 1
    error = await refused(lots.stub.ImportLots(request, timeout=DEADLINE))
    assert error.code() is grpc.StatusCode.ALREADY_EXISTS


async def book_while(lots: Lots, bay: pb.Bay, change: Coroutine[Any, Any, Any]) -> None:
    """The booking has the bay and then names its lot; the change has the lot and wants the bay."""
    waiting = (
        "select pid from pg_stat_activity where wait_event_type = 'Lock'"
        " and datname = current_database() and query like '%%for update%%'"
    )
    async with lots.service.backbone.database.transaction() as connection:
        await store.lock_terms(connection, [bay.bay_id])
        changing = asyncio.create_task(change)
        await eventually(lambda: lots.rows(waiting))
        await connection.execute(
            "insert into booking (booking_id, bay_id, lot_id, owners, during, status, revision,"
            " price_won, held_at, hold_expires_at, changed_at) values (gen_random_uuid(), %s, %s,"
            " true, tstzrange(now(), now() + '1 hour'), 'RELEASED', 1, 0, now(), now(), now())",
            (bay.bay_id, bay.lot_id),
        )
    await changing


async def test_an_import_and_a_booking_do_not_wait_in_a_circle(lots: Lots) -> None:
    given = public_lot(bays=1)
    (lot_id,) = await lots.bring(given)
    given.bays = 0
    await book_while(lots, await lots.bay(f"{lot_id}-001"), lots.bring(given))
    assert not (await lots.bay(f"{lot_id}-001")).in_service


async def test_an_offer_and_a_booking_do_not_wait_in_a_circle(lots: Lots) -> None:
    lot, owner_id = await lots.alley(), await lots.owner()
    bay = await lots.offer(lot, owner_id=owner_id)
    again = lots.offer(lot, bay_id=bay.bay_id, owner_id=owner_id, unit_fee_won=200)
    await book_while(lots, bay, again)
    assert (await lots.bay(bay.bay_id)).unit_fee_won == 200


async def test_an_alley_is_registered_and_changed(lots: Lots) -> None:
    lot = await lots.alley()
    assert await lots.lot(lot.lot_id) == lot
    assert (lot.kind, lot.bays, lot.scheme) == (pb.LOT_KIND_SHARED, 0, "samjeong")
    assert (lot.min_unit_fee_won, lot.max_unit_fee_won) == (50, 300)
    assert lot.fees == pb.FeeSchedule(
        kind=pb.FEE_KIND_METERED, unit_minutes=10, unit_fee_won=50, day_pass_won=3000
    )
    changed = await lots.alley(lot_id=lot.lot_id, name="삼정동 골목", scheme="60-40")
    assert (changed.name, changed.scheme) == ("삼정동 골목", "60-40")
    assert await lots.lot(lot.lot_id) == changed


async def test_an_alley_must_have_split_rules(lots: Lots) -> None:
    lot_id = unique("alley")
    error = await refused(lots.alley(lot_id=lot_id, scheme="nobodys"))
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_SPLIT_RULE")
    assert (await refused(lots.lot(lot_id))).code() is grpc.StatusCode.NOT_FOUND


async def test_a_lot_is_of_one_kind_and_a_bay_of_one_lot(lots: Lots) -> None:
    given = public_lot(bays=2)
    (lot_id,) = await lots.bring(given)
    error = await refused(lots.alley(lot_id=lot_id))
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "LOT_ID_TAKEN")
    number = unique("n")
    alley = await lots.alley(lot_id=f"{PROVIDER}-{number}")
    error = await refused(lots.bring(public_lot(), public_lot(management_number=number)))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == f"lots[1].management_number: {alley.lot_id} is an alley"
    await lots.offer(alley, bay_id=f"{lot_id}-003")
    given.bays = 3
    error = await refused(lots.bring(given))
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "BAY_ID_TAKEN")
    assert await in_service(lots, lot_id) == [1, 2]


async def test_an_offer_is_known_and_changed_by_its_owner(lots: Lots) -> None:
    lot, owner_id = await lots.alley(), await lots.owner()
    closed = pb.WindowException(interval=interval(tomorrow()), offered=False)
    bay = await lots.offer(lot, owner_id=owner_id, exceptions=[closed])
    assert await lots.bay(bay.bay_id) == bay
    assert bay == pb.Bay(
        bay_id=bay.bay_id,
        lot_id=lot.lot_id,
        position=lot.position,
        in_service=True,
        weekly_windows=ALL_WEEK,
        exceptions=[closed],
        unit_fee_won=100,
    )
    assert await marked(lots, lot.lot_id) == 1
    again = await lots.offer(
        lot, bay_id=bay.bay_id, owner_id=owner_id, weekly_windows=[], unit_fee_won=300
    )
    assert (again.unit_fee_won, len(again.weekly_windows), len(again.exceptions)) == (300, 0, 0)
    assert await lots.bay(bay.bay_id) == again
    assert await marked(lots, lot.lot_id) == 0
    assert (await lots.lot(lot.lot_id)).bays == 1


async def test_an_offer_that_is_refused_changes_nothing(lots: Lots) -> None:
    lot, other = await lots.alley(), await lots.alley()
    (city_lot,) = await lots.bring(public_lot())
    bay = await lots.offer(lot)
    for changes, code, why in (
        ({"bay_id": bay.bay_id}, grpc.StatusCode.PERMISSION_DENIED, "OTHER_OWNER"),
        (
            {"bay_id": bay.bay_id, "lot_id": other.lot_id},
            grpc.StatusCode.FAILED_PRECONDITION,
            "BAY_OF_ANOTHER_LOT",
        ),
        (
            {"bay_id": f"{city_lot}-001"},
            grpc.StatusCode.FAILED_PRECONDITION,
            "BAY_OF_ANOTHER_LOT",
        ),
        ({"lot_id": city_lot}, grpc.StatusCode.FAILED_PRECONDITION, "NOT_SHARED"),
        ({"lot_id": unique("no")}, grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
        ({"owner_id": key()}, grpc.StatusCode.FAILED_PRECONDITION, "UNKNOWN_OWNER"),
    ):
        given: dict[str, Any] = {"unit_fee_won": 200, **changes}
        error = await refused(lots.offer(lot, **given))
        assert (error.code(), reason(error)) == (code, why)
    error = await refused(lots.offer(lot, unit_fee_won=301))
    assert violations(error) == ["unit_fee_won: expected 50 to 300, the lot's limits, got 301"]
    assert await lots.bay(bay.bay_id) == bay
    assert await in_service(lots, lot.lot_id) == [1]
    assert await in_service(lots, other.lot_id) == []


async def test_bays_offered_at_once_have_numbers_of_their_own(lots: Lots) -> None:
    lot = await lots.alley()
    await asyncio.gather(*[lots.offer(lot) for _ in range(8)])
    assert await in_service(lots, lot.lot_id) == list(range(1, 9))


async def test_a_bay_offered_in_two_alleys_at_once_is_of_one(lots: Lots) -> None:
    alleys, bay_id = [await lots.alley() for _ in range(4)], unique("bay")
    answers = await asyncio.gather(
        *[lots.offer(lot, bay_id=bay_id) for lot in alleys], return_exceptions=True
    )
    (won,) = (one for one in answers if isinstance(one, pb.Bay))
    for one in answers:
        assert isinstance(one, pb.Bay | grpc.aio.AioRpcError)
        assert isinstance(one, pb.Bay) or one.code() in (
            grpc.StatusCode.ABORTED,
            grpc.StatusCode.FAILED_PRECONDITION,
        )
    assert await lots.bay(bay_id) == won


async def test_what_is_booked_stands_when_the_terms_change(lots: Lots) -> None:
    lot, owner_id = await lots.alley(), await lots.owner()
    bay = await lots.offer(lot, owner_id=owner_id)
    await lots.claim(bay.bay_id, interval(tomorrow()), "CONFIRMED")
    before = await lots.rows("select * from booking where bay_id = %s", bay.bay_id)
    await lots.offer(lot, bay_id=bay.bay_id, owner_id=owner_id, weekly_windows=[])
    assert await lots.rows("select * from booking where bay_id = %s", bay.bay_id) == before


async def listed(lots: Lots, **asked: Any) -> list[str]:
    """Ids of all lots, page by page."""
    found: list[str] = []
    request = pb.ListLotsRequest(**asked)
    while True:
        answer = await lots.stub.ListLots(request, timeout=DEADLINE)
        assert 1 <= len(answer.lots) <= request.page_size
        found += [one.lot_id for one in answer.lots]
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


async def test_lists_by_pages(lots: Lots) -> None:
    ids = sorted(await lots.bring(*[public_lot() for _ in range(5)]))
    alley = await lots.alley()
    public = await listed(lots, kind=pb.LOT_KIND_PUBLIC, page_size=4)
    assert public == sorted(set(public))
    assert set(ids) <= set(public)
    assert alley.lot_id not in public
    assert {*public, alley.lot_id} <= set(await listed(lots, page_size=1000))

    asked = pb.ListBaysRequest(lot_id=ids[0], page_size=3)
    first = await lots.stub.ListBays(asked, timeout=DEADLINE)
    assert [one.bay_id[-3:] for one in first.bays] == ["001", "002", "003"]
    asked.page_token = first.next_page_token
    second = await lots.stub.ListBays(asked, timeout=DEADLINE)
    assert [one.bay_id[-3:] for one in second.bays] == ["004", "005"]
    assert second.next_page_token == ""
    asked.page_token = "e30="
    error = await refused(lots.stub.ListBays(asked, timeout=DEADLINE))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_is_not_there_and_what_is_no_name(lots: Lots) -> None:
    assert (await refused(lots.lot("nowhere"))).code() is grpc.StatusCode.NOT_FOUND
    assert (await refused(lots.bay("nowhere"))).code() is grpc.StatusCode.NOT_FOUND
    assert violations(await refused(lots.lot("No Where")))
    stay = interval(tomorrow())
    for place in ({"lot_id": "nowhere"}, {"bay_id": "nowhere"}):
        assert (await refused(lots.quote(stay, **place))).code() is grpc.StatusCode.NOT_FOUND
    assert violations(await refused(lots.quote(stay))) == ["place: expected lot_id or bay_id"]


async def test_a_quote_is_the_lots_or_the_bays_own(lots: Lots) -> None:
    stay = interval(datetime(2026, 3, 4, 3, tzinfo=UTC), 1.01)
    (lot_id,) = await lots.bring(public_lot())
    answer = await lots.quote(stay, lot_id=lot_id)
    assert (answer.fee_won, answer.charged_minutes) == (300 + 4 * 200, 61)
    assert await lots.quote(stay, bay_id=f"{lot_id}-001") == answer
    lot = await lots.alley()
    bay = await lots.offer(lot, unit_fee_won=170)
    assert (await lots.quote(stay, bay_id=bay.bay_id)).fee_won == 7 * 170
    error = await refused(lots.quote(stay, lot_id=lot.lot_id))
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "PRICED_BY_BAY")
    (contract,) = await lots.bring(public_lot(fees=pb.FeeSchedule(kind=pb.FEE_KIND_CONTRACT)))
    error = await refused(lots.quote(stay, lot_id=contract))
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "CONTRACT_ONLY")
