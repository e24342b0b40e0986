"""Kiosks are registered, changed, found and listed."""

from collections.abc import AsyncIterator
from uuid import uuid4

import grpc.aio
import pytest
import pytest_asyncio
from city.health.v1 import kiosk_pb2 as pb
from city_backbone.testing import Mesh

from .kiosks_world import DEADLINE, World, kiosk_message, opened, reason

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


def request(*kiosks: pb.Kiosk) -> pb.RegisterKiosksRequest:
    return pb.RegisterKiosksRequest(idempotency_key=str(uuid4()), kiosks=kiosks)


async def get(world: World, kiosk_id: str) -> pb.Kiosk:
    asked = pb.GetKioskRequest(kiosk_id=kiosk_id)
    return (await world.stub.GetKiosk(asked, timeout=DEADLINE)).kiosk


async def listed(world: World, zone: str, page_size: int) -> list[list[str]]:
    """Page by page."""
    pages: list[list[str]] = []
    token = ""
    while True:
        asked = pb.ListKiosksRequest(zone=zone, page_size=page_size, page_token=token)
        answer = await world.stub.ListKiosks(asked, timeout=DEADLINE)
        pages.append([one.kiosk_id for one in answer.kiosks])
        token = answer.next_page_token
        if not token:
            return pages


async def test_what_is_registered_is_found(world: World) -> None:
    kiosk = kiosk_message(await world.kiosk())
    assert await get(world, kiosk.kiosk_id) == kiosk


async def test_registered_again_it_is_changed(world: World) -> None:
    kiosk_id = await world.kiosk()
    changed = kiosk_message(kiosk_id, place="부강면 복지회관", zone="부강", devices=[])
    assert (await world.stub.RegisterKiosks(request(changed), timeout=DEADLINE)).registered == 1
    assert await get(world, kiosk_id) == changed


async def test_the_same_key_changes_nothing_twice(world: World) -> None:
    kiosk_id = await world.kiosk()
    first = request(kiosk_message(kiosk_id, place="1층"))
    await world.stub.RegisterKiosks(first, timeout=DEADLINE)
    await world.stub.RegisterKiosks(request(kiosk_message(kiosk_id, place="2층")), timeout=DEADLINE)
    await world.stub.RegisterKiosks(first, timeout=DEADLINE)
    assert (await get(world, kiosk_id)).place == "2층"


async def test_all_or_none(world: World) -> None:
    fine, wrong = kiosk_message(f"kiosk-{uuid4()}"), kiosk_message("Wrong")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await world.stub.RegisterKiosks(request(fine, wrong), timeout=DEADLINE)
    assert reason(refused.value) == "INVALID_ARGUMENT:kiosks[1].kiosk_id"
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await get(world, fine.kiosk_id)
    assert reason(missing.value).startswith("NOT_FOUND")


async def test_lists_by_zone_in_the_order_of_ids(world: World) -> None:
    zone = f"zone {uuid4().hex[:8]}"
    known = sorted([await world.kiosk(zone=zone) for _ in range(5)])
    assert await listed(world, zone, 2) == [known[:2], known[2:4], known[4:]]
    assert await listed(world, zone, 5) == [known]
    assert await listed(world, f"{zone}x", 5) == [[]]
    everywhere = [kiosk_id for page in await listed(world, "", 1000) for kiosk_id in page]
    assert everywhere == sorted(everywhere)
    assert set(known) < set(everywhere)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (pb.ListKiosksRequest(page_size=1001), "page_size"),
        (pb.ListKiosksRequest(page_token="x"), "page_token"),
        (pb.ListKiosksRequest(zone="가" * 41), "zone"),
    ],
)
async def test_wrong_lists(world: World, asked: pb.ListKiosksRequest, field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await world.stub.ListKiosks(asked, timeout=DEADLINE)
    assert reason(refused.value) == f"INVALID_ARGUMENT:{field}"
