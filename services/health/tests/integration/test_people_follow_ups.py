"""Who should come again is decided by what is measured, and told of once, without identity."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from city.health.v1 import person_pb2 as pb
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.rpc.paging import page_token
from city_backbone.testing import Mesh, eventually
from health.measuring.facts import MEASUREMENT_TAKEN
from health.measuring.measurement import Code, Measurement
from health.people.follow_ups import EVENTS_METRIC
from health.people.reminders import FOLLOW_UP_DUE, Reminders
from opentelemetry.sdk.metrics.export import NumberDataPoint

from .people_topics import told
from .people_world import DEADLINE, Enrolled, World, opened, reading, refusal, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
DEAD = f"{MEASUREMENT_TAKEN}.health.dlt"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opened(mesh, tmp_path_factory.mktemp("people")) as world:
        yield world


def pressure(systolic: float, days: float = 0) -> Measurement:
    return reading(Code.BLOOD_PRESSURE, systolic, NOW + timedelta(days=days), diastolic=70)


def due(days: float) -> datetime:
    return NOW + timedelta(days=days)


async def open_ones(world: World, who: Enrolled) -> dict[str, datetime]:
    found = await world.follow_ups(who)
    return {kind: row["due_at"] for kind, row in found.items() if row["done_at"] is None}


async def becomes(world: World, who: Enrolled, expected: dict[str, datetime]) -> None:
    async def is_so() -> bool:
        return await open_ones(world, who) == expected

    await eventually(is_so)


async def test_decided_by_what_was_advised(world: World) -> None:
    who = await world.enrol(groups=[pb.VULNERABLE_GROUP_ELDERLY_ALONE], zone="한솔동")
    await world.measure(who, pressure(145))
    await becomes(world, who, {"SEE_DOCTOR": due(14), "MEASURE_AGAIN": due(45)})
    rows = (await world.follow_ups(who)).values()
    assert {(row["zone"], row["priority"]) for row in rows} == {("한솔동", 1)}


async def test_moved_by_newer_measurements_alone(world: World) -> None:
    who = await world.enrol()
    await world.measure(who, pressure(145, -5))
    await becomes(world, who, {"SEE_DOCTOR": due(9), "MEASURE_AGAIN": due(40)})
    await world.measure(who, pressure(165, -8))  # was offline
    await world.taken_in()
    assert await open_ones(world, who) == {"SEE_DOCTOR": due(9), "MEASURE_AGAIN": due(40)}
    await world.measure(who, reading(taken_at=NOW - timedelta(days=4)))
    await becomes(world, who, {"SEE_DOCTOR": due(9), "MEASURE_AGAIN": due(41)})
    await world.measure(who, pressure(170, -3))
    await becomes(world, who, {"SEE_DOCTOR": due(4), "MEASURE_AGAIN": due(42)})
    before = await world.follow_ups(who)
    await world.measure(who, pressure(110, -2))
    await becomes(world, who, {"MEASURE_AGAIN": due(88)})
    assert (await world.follow_ups(who))["SEE_DOCTOR"]["done_at"]
    await world.measure(who, pressure(150, -1))
    await becomes(world, who, {"SEE_DOCTOR": due(13), "MEASURE_AGAIN": due(44)})
    after = await world.follow_ups(who)
    assert {kind: row["follow_up_id"] for kind, row in after.items()} == {
        kind: row["follow_up_id"] for kind, row in before.items()
    }, "there is one of each kind"


async def test_what_is_acute_together_and_comes_late_is_for_a_doctor(world: World) -> None:
    who = await world.enrol()
    await world.measure(
        who,
        reading(Code.OXYGEN_SATURATION, 93, NOW - timedelta(days=1)),
        reading(Code.BODY_TEMPERATURE, 39.2, NOW - timedelta(days=1)),
        reading(Code.HEART_RATE, 112, NOW - timedelta(days=1)),
    )
    await world.taken_in()
    assert (await open_ones(world, who))["SEE_DOCTOR"] <= due(6)


async def test_without_consent_nobody_is_reminded(world: World) -> None:
    who = await world.enrol(purposes=[pb.CONSENT_PURPOSE_MEASUREMENT])
    before = counted(world, "no consent")
    await world.measure(who, pressure(165))
    await world.taken_in()
    assert await world.follow_ups(who) == {}
    assert not await world.rows("select from follow_up_basis where person_id = %s", who.person_id)
    assert counted(world, "no consent") == before + 1


def counted(world: World, outcome: str) -> int:
    """Events that came to that."""
    data = world.reader.get_metrics_data()
    points = [
        point
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == EVENTS_METRIC
        for point in metric.data.data_points
    ]
    return sum(
        int(point.value)
        for point in points
        if isinstance(point, NumberDataPoint)
        and dict(point.attributes or {}) == {"outcome": outcome}
    )


async def tell(world: World, person_id: UUID | str, sealed: bytes) -> UUID:
    """An event that the intake would never make."""
    identity = uuid4()
    data = {
        "measurement_id": str(identity),
        "person_id": str(person_id),
        "sealed": sealed,
        "stored_at": NOW,
    }
    event = OutgoingEvent(
        MEASUREMENT_TAKEN, str(identity), event_id(MEASUREMENT_TAKEN, identity), NOW, data
    )
    backbone = world.service.backbone
    async with backbone.database.transaction() as connection:
        await backbone.outbox.add(connection, [event])
    await world.taken_in()
    return identity


async def dead(world: World, identity: UUID) -> list[str]:
    """Why it lies among the dead letters."""
    return [
        dict(record.headers)["dlt_reason"].decode()
        for record in await world.topic(DEAD, "health")
        if record.key == str(identity).encode()
    ]


async def test_a_forgotten_persons_event_is_passed_over_and_counted(world: World) -> None:
    who = await world.enrol()
    box = await world.people.box(who.person_id)
    assert box
    sealed = box.seal("measurement", {"code": "HEART_RATE"})
    await world.withdraw(who)
    before = counted(world, "forgotten")
    for person_id in (who.person_id, uuid4()):
        assert await dead(world, await tell(world, person_id, sealed)) == []
    assert counted(world, "forgotten") == before + 2
    assert await world.follow_ups(who) == {}


async def test_what_does_not_open_goes_to_the_dead_letters_and_says_nothing(world: World) -> None:
    who, other = await world.enrol(), await world.enrol()
    box = await world.people.box(other.person_id)
    assert box
    before = await world.follow_ups(who)
    theirs = box.seal("measurement", {"code": "HEART_RATE"})
    assert await dead(world, await tell(world, who.person_id, theirs)) == [
        "sealed: not with this person's key"
    ]
    assert await dead(world, await tell(world, "김철수", theirs)) == ["person_id: expected a UUID"]
    (world.keys / f"{other.person_id}.key").unlink()
    assert await dead(world, await tell(world, other.person_id, theirs)) == [
        "person_id: the keyring has no key of theirs"
    ]
    assert await world.follow_ups(who) == before


async def told_of(world: World, follow_ups: set[UUID]) -> list[dict[str, object]]:
    """Events of these, in the order of the topic."""
    events = [told(record, "follow_up_due.v1") for record in await world.topic(FOLLOW_UP_DUE)]
    return [event for event in events if UUID(event["follow_up_id"]) in follow_ups]


async def all_told(world: World, now: datetime, replicas: int = 2) -> None:
    """So many replicas at once tell of all that is due; each by priority of what it took."""
    backbone = world.service.backbone
    reminders = Reminders(backbone.outbox, lambda: now)

    async def tell() -> None:
        more = True
        while more:
            async with backbone.database.transaction() as connection:
                more = await reminders.tell(connection)

    await asyncio.gather(*(tell() for _ in range(replicas)))


async def test_the_service_tells_by_itself(world: World, mesh: Mesh) -> None:
    who = await world.enrol()
    await world.measure(who, reading(taken_at=NOW - timedelta(days=91)))
    fast = {"HEALTH_PEOPLE__FOLLOW_UP_EVERY_SECONDS": "0.05", "HEALTH_INSTANCE": "health-1"}

    async def told_at() -> bool:
        return bool((await world.follow_ups(who))["MEASURE_AGAIN"]["told_at"])

    async with running(mesh, fast, stream=False):
        await eventually(told_at)
    (row,) = (await world.follow_ups(who)).values()
    assert len(await told_of(world, {row["follow_up_id"]})) == 1


async def test_what_is_due_is_told_once_by_priority(world: World) -> None:
    groups = [pb.VULNERABLE_GROUP_DISABLED, pb.VULNERABLE_GROUP_CHRONIC, None]
    ids, people = [], []
    for group in reversed(groups):  # last come first served
        who = await world.enrol(groups=[group] if group else [])
        await world.measure(who, reading(taken_at=NOW))
        people.append(who)
    await world.taken_in()
    for who in reversed(people):
        ids.append((await world.follow_ups(who))["MEASURE_AGAIN"]["follow_up_id"])
    await all_told(world, due(89))
    assert await told_of(world, set(ids)) == []
    await all_told(world, due(91), replicas=1)
    assert [
        (UUID(str(one["follow_up_id"])), one["priority"]) for one in await told_of(world, set(ids))
    ] == [
        (ids[0], 1),
        (ids[1], 2),
        (ids[2], 3),
    ]
    (first, *_) = await told_of(world, set(ids))
    assert (first["kind"], first["zone"], first["due_at"]) == ("MEASURE_AGAIN", "조치원", due(90))
    await all_told(world, due(92))
    assert len(await told_of(world, set(ids))) == 3

    await world.measure(people[0], reading(taken_at=NOW + timedelta(days=1)))
    await world.taken_in()
    await all_told(world, due(92))
    assert [one["due_at"] for one in await told_of(world, {ids[2]})] == [due(90), due(91)]


async def test_listed_by_priority_page_by_page_without_identity(world: World) -> None:
    zone = str(uuid4())
    people = []
    for number, group in enumerate(
        [[], [pb.VULNERABLE_GROUP_CHRONIC], [pb.VULNERABLE_GROUP_DISABLED], []]
    ):
        who = await world.enrol(zone=zone, groups=group)
        await world.measure(who, reading(taken_at=NOW - timedelta(days=100 + number)))
        people.append(who)
    late = await world.enrol(zone=zone)
    await world.measure(late, reading(taken_at=NOW))
    await world.taken_in()

    async def listed(**changes: object) -> pb.ListFollowUpsResponse:
        request = pb.ListFollowUpsRequest(**{"zone": zone, **changes})  # type: ignore[arg-type]
        return await world.stub.ListFollowUps(request, timeout=DEADLINE)

    answer = await listed()
    expected = [
        str((await world.follow_ups(people[number]))["MEASURE_AGAIN"]["follow_up_id"])
        for number in (2, 1, 3, 0)
    ]
    assert [one.follow_up_id for one in answer.follow_ups] == expected
    assert {one.zone for one in answer.follow_ups} == {zone}
    assert {one.kind for one in answer.follow_ups} == {pb.FOLLOW_UP_KIND_MEASURE_AGAIN}
    assert not any(str(who.person_id) in str(answer) for who in people)
    token, found = "", []
    for _ in range(5):
        page = await listed(page_size=1, page_token=token)
        found += [one.follow_up_id for one in page.follow_ups]
        token = page.next_page_token
        if not token:
            break
    assert found == expected
    assert set(expected) <= {
        one.follow_up_id for one in (await listed(zone="", page_size=1000)).follow_ups
    }
    for bad in (
        "x",
        page_token([1, 2]),
        page_token([10**9, 1, str(uuid4())]),
        page_token([1, 1, "x"]),
    ):
        assert await refusal(listed(page_token=bad)) == "INVALID_ARGUMENT:page_token"
    assert await refusal(listed(page_size=-1)) == "INVALID_ARGUMENT:page_size"


async def contact(world: World, follow_up_id: object) -> pb.GetFollowUpContactResponse:
    request = pb.GetFollowUpContactRequest(follow_up_id=str(follow_up_id), requester="kim.nurse")
    return await world.stub.GetFollowUpContact(request, timeout=DEADLINE)


async def test_the_office_is_told_whom_to_remind_and_that_is_registered(world: World) -> None:
    who = await world.enrol()
    known = (await world.follow_ups(who))["MEASURE_AGAIN"]
    before = len(await world.entries())
    told_of = await contact(world, known["follow_up_id"])
    assert (told_of.name, told_of.contact) == (who.request.name, who.request.contact)
    assert told_of.follow_up.follow_up_id == str(known["follow_up_id"])
    assert await refusal(contact(world, uuid4())) == "NOT_FOUND:NOT_FOUND"
    await world.withdraw(who)
    assert await refusal(contact(world, known["follow_up_id"])) == "NOT_FOUND:NOT_FOUND"
    entries = await world.entries(before)
    assert [entry["action"] for entry in entries] == [
        "contact-shown",
        "contact-denied",
        "contact-denied",
    ]
    assert (entries[0]["actor"], entries[0]["subject"]) == ("kim.nurse", str(who.person_id))
    assert who.request.name not in str(entries)
