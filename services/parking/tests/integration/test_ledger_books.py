"""Postings, balances and split rules on the real database and broker."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
import pytest_asyncio
from city.parking.v1 import ledger_pb2 as pb
from city_backbone.errors import FailedPrecondition
from city_backbone.events import event_id
from city_backbone.testing import Mesh

from .ledger_world import DEADLINE, SETTLED, World, a_sale, decoded, opened, published, reason

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


def a_rule(world: World, /, **changes: Any) -> pb.SplitRule:
    fields: dict[str, Any] = {
        "scheme": f"scheme-{uuid4().hex[:8]}",
        "valid_from": world.day(1).isoformat(),
        "owner_percent": 50,
        "operator_percent": 30,
        "district_percent": 20,
        "remainder_to": pb.PARTY_OWNER,
        "refunds": [
            pb.RefundStep(notice_minutes=60, percent=100),
            pb.RefundStep(notice_minutes=0, percent=50),
        ],
        "overstay_percent": 150,
    }
    return pb.SplitRule(**{**fields, **changes})


async def put(world: World, rule: pb.SplitRule, key: str | None = None) -> pb.SplitRule:
    request = pb.PutSplitRuleRequest(idempotency_key=key or str(uuid4()), rule=rule)
    return (await world.stub.PutSplitRule(request, timeout=DEADLINE)).rule


async def rules(world: World, scheme: str = "") -> list[pb.SplitRule]:
    request = pb.ListSplitRulesRequest(scheme=scheme)
    return list((await world.stub.ListSplitRules(request, timeout=DEADLINE)).rules)


async def test_paid_overstayed_settled(world: World, mesh: Mesh) -> None:
    sale = a_sale()
    await world.pay(sale, 2000)
    await world.settle(sale, 2000, 401)
    assert await world.entries(sale.booking_id) == [
        ("PAYMENT", "payments", 2000),
        ("PAYMENT", "prepaid", -2000),
        ("SETTLEMENT", "prepaid", 2000),
        ("SETTLEMENT", "payments", 401),
        ("SETTLEMENT", f"owner:{sale.owner_id}", -1201),
        ("SETTLEMENT", "operator:마을관리기업", -720),
        ("SETTLEMENT", "district:부천시", -480),
    ]
    assert await world.balances(booking_id=str(sale.booking_id)) == {
        "district:부천시": -480,
        "operator:마을관리기업": -720,
        f"owner:{sale.owner_id}": -1201,
        "payments": 2401,
        "prepaid": 0,
    }
    posting_id = event_id("posting", "SETTLEMENT", sale.booking_id)
    (told,) = [
        record
        for record in await published(world, mesh, SETTLED)
        if record.key == str(sale.booking_id).encode()
    ]
    assert decoded(SETTLED, told.value) == {
        "posting_id": str(posting_id),
        "booking_id": str(sale.booking_id),
        "bay_id": "samjeong-001",
        "lot_id": "samjeong",
        "day": world.first,
        "scheme": "samjeong",
        "rule_valid_from": datetime(2020, 1, 1).date(),
        "gross_won": 2401,
        "owner_won": 1201,
        "operator_won": 720,
        "district_won": 480,
        "refund_won": 0,
        "posted_at": world.clock.now,
    }
    assert dict(told.headers)["ce_id"] == str(event_id("settlement-posted", posting_id)).encode()
    assert str(sale.owner_id).encode() not in told.value + repr(told.headers).encode()


async def test_half_refunded(world: World, mesh: Mesh) -> None:
    sale = a_sale()
    await world.pay(sale, 1001)
    await world.refund(sale, 1001, 500)
    assert (await world.entries(sale.booking_id))[2:] == [
        ("REFUND", "prepaid", 1001),
        ("REFUND", "payments", -500),
        ("REFUND", f"owner:{sale.owner_id}", -251),
        ("REFUND", "operator:마을관리기업", -150),
        ("REFUND", "district:부천시", -100),
    ]
    (told,) = [
        decoded(SETTLED, record.value)
        for record in await published(world, mesh, SETTLED)
        if record.key == str(sale.booking_id).encode()
    ]
    assert (told["gross_won"], told["refund_won"], told["owner_won"]) == (501, 500, 251)


async def test_of_what_is_refunded_whole_nothing_is_told(world: World, mesh: Mesh) -> None:
    sale = a_sale(scheme="no-such-scheme")
    async with world.transaction() as connection:
        await world.books.refund(connection, sale, 1000, 1000, world.clock())
    assert await world.entries(sale.booking_id) == [
        ("REFUND", "prepaid", 1000),
        ("REFUND", "payments", -1000),
    ]
    keys = {record.key for record in await published(world, mesh, SETTLED)}
    assert str(sale.booking_id).encode() not in keys


async def test_of_0_won_nothing_is_posted(world: World) -> None:
    sale = a_sale(scheme="no-such-scheme")
    await world.pay(sale, 0)
    await world.settle(sale, 0)
    await world.refund(sale, 0, 0)
    assert await world.entries(sale.booking_id) == []


async def test_each_posting_happens_once(world: World, mesh: Mesh) -> None:
    sale = a_sale()
    await asyncio.gather(*(world.pay(sale, 1000) for _ in range(4)))
    await asyncio.gather(*(world.settle(sale, 1000) for _ in range(4)))
    await world.settle(sale, 9999)
    assert len(await world.entries(sale.booking_id)) == 6
    assert sum((await world.balances(booking_id=str(sale.booking_id))).values()) == 0
    keys = [record.key for record in await published(world, mesh, SETTLED)]
    assert keys.count(str(sale.booking_id).encode()) == 1


async def test_what_is_settled_is_not_refunded(world: World) -> None:
    sale = await world.sold(1000)
    with pytest.raises(psycopg.errors.UniqueViolation):
        await world.refund(sale, 1000, 500)
    assert len(await world.entries(sale.booking_id)) == 6


async def test_more_than_was_paid_is_not_given_back(world: World) -> None:
    with pytest.raises(ValueError, match="0 to 1000 won"):
        await world.refund(a_sale(), 1000, 1001)


async def test_what_fails_leaves_nothing(world: World) -> None:
    sale = a_sale()

    async def fail() -> None:
        async with world.transaction() as connection:
            await world.books.pay(connection, sale, 1000, world.clock())
            await world.books.settle(connection, sale, 1000, 0, world.clock())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await world.entries(sale.booking_id) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scheme": "no-such-scheme"}, "NO_SPLIT_RULE"),
        ({"starts_at": datetime(2019, 12, 31, 14, 59, tzinfo=UTC)}, "NO_SPLIT_RULE"),
        ({"owner_id": None}, "NO_OWNER"),
    ],
)
async def test_what_cannot_be_split_is_not_taken(
    world: World, changes: dict[str, Any], told: str
) -> None:
    sale = a_sale()
    for name, value in changes.items():
        object.__setattr__(sale, name, value)
    for act in (world.pay(sale, 1000), world.settle(sale, 1000), world.refund(sale, 1000, 1)):
        with pytest.raises(FailedPrecondition) as raised:
            await act
        assert raised.value.reason == told
    assert await world.entries(sale.booking_id) == []


async def test_a_public_lot_has_no_owner(world: World) -> None:
    sale = a_sale(scheme="public")
    object.__setattr__(sale, "owner_id", None)
    await world.sold(777, sale)
    assert (await world.entries(sale.booking_id))[2:] == [
        ("SETTLEMENT", "prepaid", 777),
        ("SETTLEMENT", "district:부천시", -777),
    ]


async def test_balances_of_a_lot_and_of_an_owner(world: World) -> None:
    sale = a_sale(lot_id=f"lot-{uuid4().hex[:8]}")
    await world.sold(1000, sale)
    other = a_sale(sale.owner_id, lot_id=f"lot-{uuid4().hex[:8]}")
    await world.sold(500, other)
    assert await world.balances(lot_id=sale.lot_id) == {
        "district:부천시": -200,
        "operator:마을관리기업": -300,
        f"owner:{sale.owner_id}": -500,
        "payments": 1000,
        "prepaid": 0,
    }
    assert await world.balances(owner_id=str(sale.owner_id)) == {f"owner:{sale.owner_id}": -750}
    assert await world.balances(owner_id=str(uuid4())) == {}


async def test_the_whole_ledger_adds_up_to_nothing(world: World) -> None:
    for won in (1, 99, 1001):
        await world.sold(won)
    everything = await world.balances()
    assert list(everything) == sorted(everything)
    assert everything["payments"] > 0
    assert sum(everything.values()) == 0


async def test_the_database_refuses_what_does_not_add_up(world: World) -> None:
    sale = await world.sold(1000)
    insert = (
        "insert into ledger_entry (posting_id, day, account, amount_won)"
        " select posting_id, day, 'payments', %s from ledger_posting where booking_id = %s"
        " and kind = 'PAYMENT'"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="does not add up to 0"):
        await world.execute(insert, 1, sale.booking_id)
    async with world.transaction() as connection:
        await connection.execute(insert, (5, sale.booking_id))
        await connection.execute(insert, (-5, sale.booking_id))  # judged at the commit, not before
    assert len(await world.entries(sale.booking_id)) == 8


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_posting"])
@pytest.mark.parametrize("act", ["update {} set day = day", "delete from {}"])
async def test_the_database_only_adds(world: World, table: str, act: str) -> None:
    await world.sold(1000)
    with pytest.raises(psycopg.errors.RestrictViolation):
        await world.execute(act.format(table))


async def test_a_new_ledger_has_the_rules_of_the_package(world: World) -> None:
    found = {rule.scheme: rule for rule in await rules(world)}
    assert {"samjeong", "60-40", "40-owner", "public"} <= set(found)
    assert (found["60-40"].owner_percent, found["60-40"].remainder_to) == (60, pb.PARTY_OPERATOR)


async def test_a_rule_counts_from_its_day_in_seoul(world: World) -> None:
    first = a_rule(world)
    second = a_rule(
        world,
        scheme=first.scheme,
        valid_from=world.day(3).isoformat(),
        owner_percent=0,
        operator_percent=0,
        district_percent=100,
        remainder_to=pb.PARTY_DISTRICT,
        refunds=[],
        overstay_percent=100,
    )
    assert await put(world, second) == second
    assert await put(world, first) == first
    assert await rules(world, first.scheme) == [first, second]
    midnight = datetime.combine(world.day(3), datetime.min.time(), UTC) - timedelta(hours=9)
    async with world.transaction() as connection:
        before = await world.books.rule(
            connection, first.scheme, midnight - timedelta(microseconds=1)
        )
        after = await world.books.rule(connection, first.scheme, midnight)
    assert (before.owner_percent, after.owner_percent) == (50, 0)
    assert before.refund_won(1000, timedelta(minutes=59)) == 500
    assert after.refund_won(1000, timedelta(days=1)) == 0
    assert (before.overstay_won(101), after.overstay_won(101)) == (151, 101)


async def test_a_rule_of_a_day_ahead_may_be_put_again(world: World) -> None:
    first = a_rule(world)
    key = str(uuid4())
    assert await put(world, first, key) == await put(world, first, key) == first
    changed = a_rule(world, scheme=first.scheme, overstay_percent=200)
    assert await put(world, changed) == changed
    assert await rules(world, first.scheme) == [changed]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await put(world, changed, key)
    assert reason(raised.value) == "ALREADY_EXISTS:IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("number", [0, -1])
async def test_what_is_in_force_stays(world: World, number: int) -> None:
    rule = a_rule(world, scheme="samjeong", valid_from=world.day(number).isoformat())
    before = await rules(world, "samjeong")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await put(world, rule)
    assert reason(raised.value) == "FAILED_PRECONDITION:IN_FORCE"
    assert await rules(world, "samjeong") == before


async def test_todays_date_is_seouls(world: World) -> None:
    """Ten minutes after midnight in Seoul: in UTC it is still the day before."""
    noon = world.clock.now
    world.clock.now = noon - timedelta(hours=11, minutes=50)
    assert world.clock.now.date() < world.first
    try:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await put(world, a_rule(world, valid_from=world.first.isoformat()))
        assert reason(raised.value) == "FAILED_PRECONDITION:IN_FORCE"
        await put(world, a_rule(world))
    finally:
        world.clock.now = noon


async def test_no_owners_share_where_bays_have_no_owner(world: World) -> None:
    scheme = f"scheme-{uuid4().hex[:8]}"
    await world.execute(
        "insert into lot (lot_id, kind, name, address, position, hours, fees, operator, phone,"
        " remark, district, scheme) values (%s, 'PUBLIC', 'n', 'a', point(126.8, 37.5), '{}',"
        " '{}', 'o', '', '', 'd', %s)",
        f"lot-{scheme}",
        scheme,
    )
    try:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await put(world, a_rule(world, scheme=scheme))
        assert reason(raised.value) == "FAILED_PRECONDITION:NO_OWNER"
        without = {"owner_percent": 0, "operator_percent": 80, "remainder_to": pb.PARTY_OPERATOR}
        await put(world, a_rule(world, scheme=scheme, **without))
    finally:
        await world.execute("delete from lot where lot_id = %s", f"lot-{scheme}")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scheme": "Not A Scheme"}, "rule.scheme"),
        ({"valid_from": "20400101"}, "rule.valid_from"),
        ({"valid_from": "2040-02-30"}, "rule.valid_from"),
        ({"owner_percent": 49}, "rule.owner_percent"),
        ({"remainder_to": pb.PARTY_UNSPECIFIED}, "rule.remainder_to"),
        ({"remainder_to": 99}, "rule.remainder_to"),
        (
            {"owner_percent": 0, "district_percent": 70},
            "rule.remainder_to",
        ),
        ({"refunds": [pb.RefundStep(percent=101)]}, "rule.refunds[0].percent"),
        ({"refunds": [pb.RefundStep()] * 2}, "rule.refunds[1].notice_minutes"),
        ({"refunds": [pb.RefundStep()] * 21}, "rule.refunds"),
        ({"overstay_percent": -1}, "rule.overstay_percent"),
    ],
)
async def test_a_bad_rule(world: World, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await put(world, a_rule(world, **changes))
    assert reason(raised.value) == f"INVALID_ARGUMENT:{field}"


@pytest.mark.parametrize(
    ("of", "field"),
    [
        ({"booking_id": "x"}, "booking_id"),
        ({"lot_id": "?"}, "lot_id"),
        ({"owner_id": "x"}, "owner_id"),
    ],
)
async def test_balances_of_what_is_no_name(world: World, of: dict[str, str], field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.balances(**of)
    assert reason(raised.value) == f"INVALID_ARGUMENT:{field}"
