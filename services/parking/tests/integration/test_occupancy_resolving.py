"""Disputes as people see and resolve them, and the part at work by itself."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from city.parking.v1 import occupancy_pb2 as pb
from city_backbone.testing import Mesh, eventually
from parking.occupancy import facts

from .occupancy_life import Life
from .occupancy_mesh import DEADLINE, Occupancy, at, key, reading, running_occupancy, violations

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(mesh: Mesh) -> AsyncIterator[Occupancy]:
    async with running_occupancy(mesh) as one:
        yield one


async def disputed(running: Occupancy, bays: int = 1) -> tuple[str, list[str]]:
    """A lot, and the ids of its disputes, newest first: one bay each, one a minute."""
    life = Life(running)
    lot_id, bay_ids = await running.lot(bays)
    for number, sensor_id in enumerate(await running.watch(*bay_ids)):
        await life.sense(sensor_id, (number, True))
        await life.judge(life.now)
    for number in range(bays):
        await life.judge(number + 5)
    rows = await running.rows(
        "select dispute_id from dispute where lot_id = %s order by opened_at desc", lot_id
    )
    assert len(rows) == bays
    return lot_id, [str(row["dispute_id"]) for row in rows]


async def listed(running: Occupancy, **fields: Any) -> pb.ListDisputesResponse:
    return await running.stub.ListDisputes(pb.ListDisputesRequest(**fields), timeout=DEADLINE)


async def get(running: Occupancy, dispute_id: str) -> pb.Dispute:
    request = pb.GetDisputeRequest(dispute_id=dispute_id)
    return (await running.stub.GetDispute(request, timeout=DEADLINE)).dispute


def resolving(dispute_id: str, **fields: str) -> pb.ResolveDisputeRequest:
    given = {"resolved_by": "kim@village", "resolution": "차주가 이동함", **fields}
    return pb.ResolveDisputeRequest(idempotency_key=key(), dispute_id=dispute_id, **given)


async def resolve(running: Occupancy, request: pb.ResolveDisputeRequest) -> pb.Dispute:
    return (await running.stub.ResolveDispute(request, timeout=DEADLINE)).dispute


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    error: grpc.aio.AioRpcError = raised.value
    return error


async def test_a_dispute_with_all_its_fields(running: Occupancy) -> None:
    lot_id, (dispute_id,) = await disputed(running)
    dispute = await get(running, dispute_id)
    assert dispute.dispute_id == dispute_id
    assert dispute.kind == pb.DISPUTE_KIND_OCCUPIED_WITHOUT_BOOKING
    assert (dispute.lot_id, dispute.bay_id, dispute.booking_id) == (lot_id, f"{lot_id}-1", "")
    assert dispute.since.ToDatetime(UTC) == at(0)
    assert dispute.opened_at.ToDatetime(UTC) == at(5)
    (one,) = dispute.evidence
    assert (one.at.ToDatetime(UTC), one.said) == (at(0), "occupied")
    assert one.source.startswith("sensor:")
    assert not dispute.HasField("resolved_at")
    assert (dispute.resolved_by, dispute.resolution) == ("", "")


async def test_newest_first_page_by_page(running: Occupancy) -> None:
    lot_id, newest_first = await disputed(running, bays=5)
    found: list[str] = []
    token = ""
    while True:
        page = await listed(running, lot_id=lot_id, page_size=2, page_token=token)
        found += [one.dispute_id for one in page.disputes]
        token = page.next_page_token
        if not token:
            break
        assert len(page.disputes) == 2
    assert found == newest_first
    everywhere = await listed(running)
    opened = [one.opened_at.ToDatetime(UTC) for one in everywhere.disputes]
    assert opened == sorted(opened, reverse=True)
    assert set(newest_first) <= {one.dispute_id for one in everywhere.disputes}


async def test_only_the_open_ones(running: Occupancy) -> None:
    lot_id, (newest, oldest) = await disputed(running, bays=2)
    await resolve(running, resolving(newest))
    page = await listed(running, lot_id=lot_id, open_only=True)
    assert [one.dispute_id for one in page.disputes] == [oldest]
    assert len((await listed(running, lot_id=lot_id)).disputes) == 2


async def test_what_a_person_decided_once_per_key(running: Occupancy) -> None:
    _, (dispute_id,) = await disputed(running)
    before = datetime.now(UTC)
    request = resolving(dispute_id, resolved_by=" kim@village ", resolution=" 차주가 이동함 ")
    resolved = await resolve(running, request)
    assert (resolved.resolved_by, resolved.resolution) == ("kim@village", "차주가 이동함")
    assert before <= resolved.resolved_at.ToDatetime(UTC) <= datetime.now(UTC)
    assert await resolve(running, request) == resolved
    assert await get(running, dispute_id) == resolved
    error = await refused(resolve(running, resolving(dispute_id)))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert await get(running, dispute_id) == resolved
    request.resolution = "다른 결정"
    error = await refused(resolve(running, request))
    assert error.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_what_is_wrong_is_named(running: Occupancy) -> None:
    _, (dispute_id,) = await disputed(running)
    for call, field in (
        (resolve(running, resolving(dispute_id, resolved_by="")), "resolved_by"),
        (resolve(running, resolving(dispute_id, resolution="  ")), "resolution"),
        (resolve(running, resolving(dispute_id, resolution="가" * 501)), "resolution"),
        (resolve(running, resolving("it")), "dispute_id"),
        (get(running, "it"), "dispute_id"),
        (listed(running, lot_id="No where"), "lot_id"),
        (listed(running, page_size=1001), "page_size"),
        (listed(running, page_token="WzFd"), "page_token"),
        (listed(running, page_token="it"), "page_token"),
    ):
        error = await refused(call)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert violations(error)[0].startswith(f"{field}: expected")
    assert (
        len((await resolve(running, resolving(dispute_id, resolution="가" * 500))).resolution)
        == 500
    )
    for call in (get(running, str(uuid4())), resolve(running, resolving(str(uuid4())))):
        assert (await refused(call)).code() is grpc.StatusCode.NOT_FOUND


async def test_the_service_counts_and_judges_by_itself(mesh: Mesh) -> None:
    settings = {
        "PARKING_OCCUPANCY__DISPUTE_GRACE_SECONDS": "1",
        "PARKING_OCCUPANCY__JUDGE_EVERY_SECONDS": "0.1",
        "PARKING_OCCUPANCY__COUNT_EVERY_SECONDS": "0.1",
    }
    async with running_occupancy(mesh, settings, tasks=True) as own:
        lot_id, (bay_id,) = await own.lot()
        (sensor_id,) = await own.watch(bay_id)
        observed_at = datetime.now(UTC)
        await own.report([reading(sensor_id, True, observed_at)])

        async def open_disputes() -> list[pb.Dispute]:
            return list((await listed(own, lot_id=lot_id, open_only=True)).disputes)

        (dispute,) = await eventually(open_disputes)
        assert dispute.since.ToDatetime(UTC) == observed_at
        lasted = dispute.opened_at.ToDatetime(UTC) - observed_at
        assert lasted >= timedelta(seconds=1)
        (event,) = await own.told(facts.DISPUTE_OPENED, bay_id)
        assert event["dispute_id"] == dispute.dispute_id
        (count,) = await own.told(facts.LOT_OCCUPANCY_CHANGED, lot_id)
        assert (count["bays"], count["occupied"]) == (1, 1)
