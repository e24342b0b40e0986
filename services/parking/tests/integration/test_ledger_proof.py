"""An owner checks, with thirty lines of Python, that their money is under the published seal."""

import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from city_backbone.testing import Mesh
from google.protobuf import json_format

from .ledger_world import SEALED, World, a_sale, noon, opened, published, reason

SCRIPT = Path(__file__).parents[4] / "docs" / "examples" / "verify_settlement.py"
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not SCRIPT.exists(), reason=f"owners' script is not there: {SCRIPT}"),
]

OWNER = uuid4()
SALE = a_sale(OWNER)
PREPAID, OVERSTAY = 2000, 401


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    """A booking that was paid on one day and settled on the next, among others; sealed."""
    async with opened(mesh) as world:
        for won in (700, 900):
            await world.sold(won)
        await world.pay(SALE, PREPAID)
        await world.pay(a_sale(), 100)
        world.clock.now = noon(world.day(1))
        await world.sold(300)
        await world.settle(SALE, PREPAID, OVERSTAY)
        await world.sold(1500)
        await world.seal_until(world.day(2))
        assert await published(world, mesh, SEALED)
        yield world


@pytest.fixture(scope="module")
def seals(mesh: Mesh, world: World) -> str:
    """What an integrator reads from the topic."""
    return subprocess.run(
        [
            *mesh.command("tail", SEALED, "--as", "integrator", "--json"),
            *("--from-beginning", "--until-end"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


async def answer(world: World) -> dict[str, Any]:
    """As `meshctl call` prints it."""
    printed = json_format.MessageToJson(
        await world.prove(SALE.booking_id), indent=None, ensure_ascii=False
    )
    read: dict[str, Any] = json.loads(printed)
    return read


def check(tmp_path: Path, given: object, seals: str) -> subprocess.CompletedProcess[str]:
    proof, lines = tmp_path / "proof.json", tmp_path / "seals.jsonl"
    proof.write_text(json.dumps(given, ensure_ascii=False))
    lines.write_text(seals)
    return subprocess.run(
        [sys.executable, "-I", str(SCRIPT), str(proof), str(lines)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


async def test_all_entries_of_a_booking_with_the_days_seals(world: World) -> None:
    proved = (await world.prove(SALE.booking_id)).entries
    known = {seal.day: seal for seal in await world.seals()}
    said = [json.loads(one.entry) for one in proved]
    assert [(entry["kind"], entry["account"], entry["amount_won"]) for entry in said] == (
        await world.entries(SALE.booking_id)
    )
    assert len(said) == 7
    for entry, one in zip(said, proved, strict=True):
        assert one.seal == known[entry["day"]]
        assert one.tree_size == one.seal.entries
        assert set(entry) == {
            *("account", "amount_won", "booking_id", "day", "entry_id", "kind", "lot_id"),
            *("posted_at", "posting_id"),
        }
        assert one.entry == json.dumps(
            entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
    assert said[0]["posted_at"] == noon(world.first).isoformat().replace("+00:00", "Z")


async def test_an_owner_sees_only_what_is_theirs(world: World) -> None:
    (one,) = (await world.prove(SALE.booking_id, OWNER)).entries
    assert json.loads(one.entry)["account"] == f"owner:{OWNER}"
    assert json.loads(one.entry)["amount_won"] == -1201


@pytest.mark.parametrize(
    ("booking", "owner"), [(SALE.booking_id, uuid4()), (uuid4(), None), (uuid4(), OWNER)]
)
async def test_nothing_to_prove(world: World, booking: Any, owner: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.prove(booking, owner)
    assert reason(raised.value).startswith("NOT_FOUND")


async def test_while_a_day_is_open_there_is_no_proof(world: World) -> None:
    world.clock.now = noon(world.day(2))
    sale = await world.sold(1000)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.prove(sale.booking_id)
    assert reason(raised.value) == "FAILED_PRECONDITION:NOT_SEALED"


@pytest.mark.parametrize("field", ["booking_id", "owner_id"])
async def test_what_is_no_name(world: World, field: str) -> None:
    given: dict[str, Any] = {"booking_id": SALE.booking_id, "owner_id": OWNER, field: "x"}
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.prove(**given)
    assert reason(raised.value) == f"INVALID_ARGUMENT:{field}"


async def test_anybody_can_check_it(world: World, seals: str, tmp_path: Path) -> None:
    given = await answer(world)
    done = check(tmp_path, given, seals)
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.splitlines()
    assert [line.removeprefix("OK ") for line in printed] == [
        one["entry"] for one in given["entries"]
    ]
    assert any(f'"amount_won":{-1201}' in line and str(OWNER) in line for line in printed)


def other_amount(given: dict[str, Any]) -> None:
    entry = given["entries"][4]["entry"]
    given["entries"][4]["entry"] = entry.replace('"amount_won":-1201', '"amount_won":-2201')
    assert given["entries"][4]["entry"] != entry


def other_day(given: dict[str, Any]) -> None:
    first, last = (json.loads(given["entries"][place]["entry"])["day"] for place in (0, -1))
    given["entries"][0]["entry"] = given["entries"][0]["entry"].replace(first, last)


def unknown_day(given: dict[str, Any]) -> None:
    given["entries"][0]["entry"] = given["entries"][0]["entry"].replace('"day":"2', '"day":"1')


def other_index(given: dict[str, Any]) -> None:
    given["entries"][4]["index"] = str(int(given["entries"][4]["index"]) + 1)


def index_out_of_the_tree(given: dict[str, Any]) -> None:
    given["entries"][4]["index"] = given["entries"][4]["treeSize"]


def other_size(given: dict[str, Any]) -> None:
    given["entries"][4]["treeSize"] = str(int(given["entries"][4]["treeSize"]) + 1)


def other_sibling(given: dict[str, Any]) -> None:
    path = given["entries"][4]["auditPath"]
    path[0] = f"{int(path[0][0], 16) ^ 1:x}{path[0][1:]}"


def sibling_missing(given: dict[str, Any]) -> None:
    given["entries"][4]["auditPath"].pop()


def sibling_more(given: dict[str, Any]) -> None:
    given["entries"][4]["auditPath"] *= 2


def one_entry_twice(given: dict[str, Any]) -> None:
    given["entries"][3] = given["entries"][4]


def no_entries(given: dict[str, Any]) -> None:
    given.clear()


def own_seal(given: dict[str, Any]) -> None:
    """A whole tree of one entry, with a seal to it in the answer: only the topic's counts."""
    other_amount(given)
    one = given["entries"][4]
    root = hashlib.sha256(b"\0" + one["entry"].encode()).hexdigest()
    one.update(index="0", treeSize="1", auditPath=[])
    one["seal"].update(entries="1", root=root)


@pytest.mark.parametrize(
    "tamper",
    [
        other_amount,
        other_day,
        unknown_day,
        other_index,
        index_out_of_the_tree,
        other_size,
        other_sibling,
        sibling_missing,
        sibling_more,
        one_entry_twice,
        no_entries,
        own_seal,
    ],
)
async def test_what_is_not_as_sealed_is_told(
    world: World, seals: str, tmp_path: Path, tamper: Callable[[dict[str, Any]], None]
) -> None:
    given = await answer(world)
    tamper(given)
    done = check(tmp_path, given, seals)
    assert done.returncode == 1
    assert "WRONG" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


async def test_two_seals_of_one_day_are_no_seal(world: World, seals: str, tmp_path: Path) -> None:
    given = await answer(world)
    day = json.loads(given["entries"][4]["entry"])["day"]
    other = next(
        event for event in map(json.loads, seals.splitlines()) if event["data"]["day"] == day
    )
    other["data"]["root"] = "0" * 64
    done = check(tmp_path, given, seals + json.dumps(other))
    assert done.returncode == 1
    assert done.stdout.count("WRONG") == 5
    # A repeat of the same event is none.
    assert check(tmp_path, given, seals * 2).returncode == 0


async def test_an_amount_changed_in_the_database_is_not_proved(
    world: World, seals: str, tmp_path: Path
) -> None:
    change = (
        "update ledger_entry set amount_won = amount_won + %s from ledger_posting posting"
        " where posting.posting_id = ledger_entry.posting_id and booking_id = %s"
        " and kind = 'SETTLEMENT' and account in ('payments', %s)"
    )
    owner = f"owner:{OWNER}"

    async def add(won: int) -> None:
        async with world.transaction() as connection:
            await connection.execute("alter table ledger_entry disable trigger user")
            await connection.execute(change, (won, SALE.booking_id, owner))
            await connection.execute("alter table ledger_entry enable trigger user")

    await add(-100)
    try:
        done = check(tmp_path, await answer(world), seals)
        verdict = await world.verify()
    finally:
        await add(100)
    assert done.returncode == 1
    assert '"amount_won":-1301' in done.stdout
    assert "OK" not in [line[:2] for line in done.stdout.splitlines() if owner in line]
    assert (verdict.intact, verdict.first_bad_day) == (False, world.day(1).isoformat())
    assert check(tmp_path, await answer(world), seals).returncode == 0
