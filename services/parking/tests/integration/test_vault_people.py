"""Vehicles and owners are taken in once, and only the department's key opens what is kept."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import grpc
import pytest
import pytest_asyncio
from city.parking.v1 import vault_pb2 as pb
from city.parking.v1.vault_pb2_grpc import VaultServiceStub
from city_backbone.testing import Mesh
from parking.vault import store
from structlog.testing import capture_logs

from .vault_requests import anywhere, around, new_contact, new_plate, of_plate, reason
from .vault_world import DEADLINE, World, opened, running, wildcard_policy

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(mesh, tmp_path_factory.mktemp("vault")) as world:
        yield world


def owner(**changes: str) -> pb.RegisterOwnerRequest:
    fields = {"idempotency_key": str(uuid4()), "name": "김철수", "contact": "010-1234-5678"}
    return pb.RegisterOwnerRequest(**{**fields, **changes})


async def test_a_plate_is_one_vehicle_however_it_is_written(world: World) -> None:
    plate = new_plate()
    first, second = new_contact(), new_contact()
    identity = await world.vehicle(plate, first)
    spread = f" {plate[:3]}-{plate[3]} {plate[4:]}"
    assert await world.vehicle(spread, second) == identity
    assert await world.vehicle() != identity
    incident = await world.incident(anywhere())
    (found,) = (await world.find(of_plate(spread, incident))).vehicles
    assert (found.plate, found.contact, found.bay_id) == (plate, second, "")


async def test_a_plate_registered_by_many_at_once_is_one_vehicle(world: World) -> None:
    plate = new_plate()
    assert len(set(await asyncio.gather(*(world.vehicle(plate) for _ in range(8))))) == 1


async def test_a_key_registers_once(world: World) -> None:
    request = pb.RegisterVehicleRequest(
        idempotency_key=str(uuid4()), plate=new_plate(), contact=new_contact()
    )
    first = await world.stub.RegisterVehicle(request, timeout=DEADLINE)
    assert await world.stub.RegisterVehicle(request, timeout=DEADLINE) == first
    request.contact = new_contact()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.stub.RegisterVehicle(request, timeout=DEADLINE)
    assert reason(raised.value) == "ALREADY_EXISTS:IDEMPOTENCY_KEY_REUSED"


async def test_an_owner_is_registered_once_per_key(world: World) -> None:
    request = owner()
    first = (await world.stub.RegisterOwner(request, timeout=DEADLINE)).owner_id
    assert (await world.stub.RegisterOwner(request, timeout=DEADLINE)).owner_id == first
    other = (await world.stub.RegisterOwner(owner(), timeout=DEADLINE)).owner_id
    assert other != first
    vehicle = await world.vehicle()
    async with world.service.backbone.database.transaction() as connection:
        assert await store.has_owner(connection, UUID(first))
        assert not await store.has_owner(connection, uuid4())
        assert await store.has_vehicle(connection, UUID(vehicle))
        assert not await store.has_vehicle(connection, UUID(first))


async def test_a_key_that_outlived_its_row_does_not_change_an_owner(world: World) -> None:
    request = owner()
    await world.stub.RegisterOwner(request, timeout=DEADLINE)
    await world.execute("delete from idempotency where key = %s", request.idempotency_key)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.stub.RegisterOwner(request, timeout=DEADLINE)
    assert reason(raised.value) == "ALREADY_EXISTS:IDEMPOTENCY_KEY_REUSED"


BAD: list[tuple[Callable[[World], Awaitable[object]], str]] = [
    (lambda world: world.vehicle(plate="12A3456"), "plate"),
    (lambda world: world.vehicle(contact="nobody"), "contact"),
    (lambda world: world.stub.RegisterOwner(owner(name=" "), timeout=DEADLINE), "name"),
    (lambda world: world.stub.RegisterOwner(owner(contact="\n"), timeout=DEADLINE), "contact"),
    (
        lambda world: world.stub.RegisterOwner(owner(idempotency_key="x"), timeout=DEADLINE),
        "idempotency_key",
    ),
]


@pytest.mark.parametrize(("call", "field"), BAD, ids=[case[1] for case in BAD])
async def test_a_field_that_is_wrong_is_named(
    world: World, call: Callable[[World], Awaitable[object]], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(world)
    assert reason(raised.value) == f"INVALID_ARGUMENT:{field}"


async def test_ciphertext_moved_to_another_row_is_not_told(world: World) -> None:
    """Everybody else around is, with their plates."""
    place = anywhere()
    incident = await world.incident(place)
    ours, theirs = new_contact(), new_contact()
    mine = await world.vehicle(contact=ours)
    other = await world.vehicle(contact=theirs)
    for vehicle in (mine, other):
        await world.stands(vehicle, place)
    await world.execute(
        "update vehicle set contact = (select contact from vehicle where vehicle_id = %s)"
        " where vehicle_id = %s",
        other,
        mine,
    )
    found = (await world.find(around(place, incident))).vehicles
    assert sorted(one.contact for one in found) == ["", theirs]
    assert all(one.plate for one in found)


async def test_another_key_is_said_at_the_edge_and_changes_nothing(
    world: World, mesh: Mesh, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plate, contact = new_plate(), new_contact()
    identity = await world.vehicle(plate, contact)
    incident = await world.incident(anywhere())
    key = {"PARKING_VAULT__KEY": base64.b64encode(bytes(32)).decode()}
    policy = wildcard_policy(mesh, tmp_path_factory.mktemp("policy"))
    before = await world.head()
    with capture_logs() as logged:
        async with running(mesh, {**key, **policy}, stream=False) as other:
            stub = VaultServiceStub(other.channel)
            for call in (
                lambda: stub.RegisterVehicle(
                    pb.RegisterVehicleRequest(
                        idempotency_key=str(uuid4()), plate=plate, contact=new_contact()
                    ),
                    timeout=DEADLINE,
                ),
                lambda: stub.RegisterOwner(owner(), timeout=DEADLINE),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await call()
                assert reason(raised.value) == "FAILED_PRECONDITION:VAULT_KEY_WRONG"
    assert [line for line in logged if line["event"] == "vault was filled with another key"]
    assert plate not in str(logged)
    assert await world.head() == before
    (found,) = (await world.find(of_plate(plate, incident))).vehicles
    assert found.contact == contact
    assert await world.vehicle(plate, contact) == identity
