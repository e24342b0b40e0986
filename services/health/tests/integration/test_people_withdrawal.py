"""Who withdraws is forgotten everywhere, whatever is cut off; nobody else is touched."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from city.health.v1 import person_pb2 as pb
from city_backbone.errors import PermissionDenied
from city_backbone.testing import Mesh, eventually
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from health.measuring.facts import MEASUREMENT_TAKEN
from health.people.certificate import verify
from health.people.keyring import fingerprint
from health.people.restored import Restored
from health.people.withdrawal import Step

from .people_forgotten import (
    HEART_RATE,
    known_with_all_there_is,
    must_be_forgotten,
    of,
    snapshot,
)
from .people_world import DEADLINE, Enrolled, World, opened, refusal, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(mesh, tmp_path_factory.mktemp("people")) as world:
        yield world


def public_key(mesh: Mesh) -> ec.EllipticCurvePublicKey:
    """Of the department's certificate, as anybody has it."""
    path = Path(mesh.environment("health")["HEALTH_TLS__CERT_FILE"])
    key = x509.load_pem_x509_certificate(path.read_bytes()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


async def test_who_withdraws_is_forgotten_and_nobody_else(world: World, mesh: Mesh) -> None:
    who, other = [await known_with_all_there_is(world) for _ in range(2)]
    key, before = await world.keyring.load(who.person_id), await snapshot(world, other)
    assert key
    shown = await world.trend(other.token, HEART_RATE)
    certificate = await world.withdraw(who)
    await must_be_forgotten(world, who, key)
    assert await snapshot(world, other) == before
    assert await world.trend(other.token, HEART_RATE) == shown

    assert verify(certificate, public_key(mesh))
    assert certificate.person_id == str(who.person_id)
    assert certificate.key_fingerprint == fingerprint(key)
    assert dict(certificate.forgotten) == {
        "profile": 1,
        "measurements": 3,
        "sessions": 1,
        "cases": 1,
        "follow_ups": 2,
    }
    assert await world.withdraw(who) == certificate
    certificate.forgotten["measurements"] = 2
    assert not verify(certificate, public_key(mesh))


async def test_a_token_that_is_nobodys(world: World) -> None:
    for token in ("", "a" * 32, "김철수"):
        call = world.stub.WithdrawConsent(pb.WithdrawConsentRequest(person_token=token))
        assert await refusal(call) == "PERMISSION_DENIED:UNKNOWN_TOKEN"


async def test_withdrawing_twice_at_once_is_one(world: World, mesh: Mesh) -> None:
    who = await known_with_all_there_is(world)
    certificates = await asyncio.gather(*(world.withdraw(who) for _ in range(4)))
    assert all(one == certificates[0] for one in certificates)
    assert verify(certificates[0], public_key(mesh))
    await must_be_forgotten(world, who)


@pytest.fixture(scope="module")
def cut_off() -> dict[Step, tuple[Enrolled, bytes]]:
    """Whose withdrawal was cut off after which step, and with which key."""
    return {}


@pytest.mark.parametrize("step", Step)
async def test_cut_off_after_a_step_nothing_can_be_read(
    world: World, step: Step, cut_off: dict[Step, tuple[Enrolled, bytes]]
) -> None:
    who = await known_with_all_there_is(world)
    key = await world.keyring.load(who.person_id)
    assert key
    cut_off[step] = (who, key)
    world.scissors.at = step
    assert (await refusal(world.withdraw(who))).startswith("INTERNAL")
    assert world.scissors.at is None
    assert (await world.keyring.load(who.person_id) is None) == (step is not Step.BEGUN)
    (row,) = await world.rows("select status from person where person_id = %s", who.person_id)
    assert row["status"] == ("FORGOTTEN" if step is Step.FORGOTTEN else "WITHDRAWING")
    stored = await of(world, "measurement", who)
    assert stored == (0 if step is Step.FORGOTTEN else 3)
    with pytest.raises(PermissionDenied):
        await world.measure(who)
    async with world.service.backbone.database.transaction() as connection:
        assert await world.people.by_id(connection, who.person_id) is None
        assert await world.people.profile(connection, who.person_id) is None
    told_why = await refusal(world.trend(who.token, HEART_RATE))
    assert told_why == "PERMISSION_DENIED:CONSENT_WITHDRAWN"
    assert await of(world, "measurement", who) == stored


async def test_what_was_cut_off_is_taken_up(
    world: World, mesh: Mesh, cut_off: dict[Step, tuple[Enrolled, bytes]]
) -> None:
    assert set(cut_off) == set(Step)
    soon = {"HEALTH_INSTANCE": "health-1", "HEALTH_PEOPLE__WITHDRAW_EVERY_SECONDS": "0.05"}
    async with running(mesh, soon, stream=False):

        async def done() -> bool:
            return not await world.rows("select from person where status = 'WITHDRAWING'")

        await eventually(done)
    for who, key in cut_off.values():
        await must_be_forgotten(world, who, key)
        certificate = await world.withdraw(who)
        assert verify(certificate, public_key(mesh))
        assert certificate.key_fingerprint == fingerprint(key)
        assert certificate.forgotten["measurements"] == 3


@pytest.mark.parametrize("step", [Step.BEGUN, Step.KEY_DESTROYED, Step.CLEARED])
async def test_what_was_cut_off_may_be_asked_for_again(
    world: World, mesh: Mesh, step: Step
) -> None:
    who = await known_with_all_there_is(world)
    world.scissors.at = step
    await refusal(world.withdraw(who))
    certificate = await world.withdraw(who)
    assert verify(certificate, public_key(mesh))
    assert certificate.forgotten["measurements"] == 3
    assert certificate.key_fingerprint
    await must_be_forgotten(world, who)


async def test_what_is_under_way_is_waited_for(world: World) -> None:
    who = await world.enrol()
    key = await world.keyring.load(who.person_id)
    async with world.measuring(who) as measure:
        withdrawal = asyncio.create_task(world.withdraw(who))

        async def waits() -> bool:
            held = "select from pg_locks where not granted"
            return withdrawal.done() or bool(await world.rows(held))

        await eventually(waits)
        with pytest.raises(PermissionDenied):  # else sessions in a row would keep it waiting
            await world.measure(who)
        await measure()
    assert (await withdrawal).forgotten["measurements"] == 1
    await must_be_forgotten(world, who, key)


async def test_nothing_is_stored_once_a_withdrawal_has_begun(world: World) -> None:
    who, other = await world.enrol(), await world.enrol()
    key = await world.keyring.load(who.person_id)
    stored: list[UUID] = []

    async def session() -> None:
        with contextlib.suppress(PermissionDenied):
            while True:
                stored.extend(await world.measure(who))

    async def others() -> int:
        for _ in range(20):
            await world.measure(other)
        return 20

    async def under_way() -> bool:
        return len(stored) >= 8

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(session())
        undisturbed = tasks.create_task(others())
        await eventually(under_way)
        certificate = await world.withdraw(who)
    assert certificate.forgotten["measurements"] == len(stored)
    await must_be_forgotten(world, who, key)
    newest = {record.key: record.value for record in await world.topic(MEASUREMENT_TAKEN, "health")}
    assert all(newest[str(one).encode()] is None for one in stored)
    assert undisturbed.result() == await of(world, "measurement", other)


async def test_a_key_that_cannot_be_told_does_not_keep_anybody(world: World, mesh: Mesh) -> None:
    who = await world.enrol()
    (world.keys / f"{who.person_id}.key").write_bytes(b"damaged")
    certificate = await world.withdraw(who)
    assert certificate.key_fingerprint == ""
    assert verify(certificate, public_key(mesh))
    await must_be_forgotten(world, who)


async def test_a_keyring_put_back_is_cleared_again(world: World, mesh: Mesh) -> None:
    who, other = await world.enrol(), await world.enrol()
    path = world.keys / f"{who.person_id}.key"
    copy = path.read_bytes()
    await world.withdraw(who)
    path.write_bytes(copy)
    assert await world.keyring.load(who.person_id)
    restored = Restored(world.keyring)
    async with world.service.backbone.database.transaction() as connection:
        while await restored.destroy(connection):
            pass
    assert await world.keyring.load(who.person_id) is None
    assert await world.keyring.load(other.person_id)
