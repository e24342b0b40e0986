"""What there is of somebody, and that nothing is left of it."""

from uuid import UUID

import pytest
from city.health.v1 import kiosk_pb2
from city_backbone.errors import PermissionDenied, Unreadable
from city_backbone.testing import eventually
from health.measuring.facts import MEASUREMENT_TAKEN
from health.people.sealing import PersonalBox

from .people_topics import told
from .people_world import Enrolled, World, reading, refusal

HEART_RATE = kiosk_pb2.MEASUREMENT_CODE_HEART_RATE
TABLES = ("measurement", "kiosk_session", "acute_case", "follow_up", "follow_up_basis")


async def known_with_all_there_is(world: World) -> Enrolled:
    """Somebody with three measurements, the newest of them acute, a case and both follow-ups."""
    who = await world.enrol()
    await world.measure(who)
    await world.measure(who, reading(), reading(value=150))

    async def sees_a_doctor() -> bool:
        return "SEE_DOCTOR" in await world.follow_ups(who)

    await eventually(sees_a_doctor)
    assert all([await of(world, table, who) for table in TABLES])
    return who


async def of(world: World, table: str, who: Enrolled) -> int:
    query = f"select count(*) as n from {table} where person_id = %s"
    (row,) = await world.rows(query, who.person_id)
    return int(row["n"])


async def snapshot(world: World, who: Enrolled) -> list[str]:
    """Every row of theirs."""
    found = []
    for table in ("person", *TABLES):
        query = f"select t::text as content from {table} t where person_id = %s order by 1"
        found += [row["content"] for row in await world.rows(query, who.person_id)]
    return found


async def must_be_forgotten(world: World, who: Enrolled, key: bytes | None = None) -> None:
    """No row, no key, no way in; and what lies on the topic opens with no key there is."""
    (row,) = await world.rows("select * from person where person_id = %s", who.person_id)
    assert (row["status"], row["profile"], row["purposes"]) == ("FORGOTTEN", None, [])
    assert (row["zone"], row["priority"]) == ("", 0)
    assert [await of(world, table, who) for table in TABLES] == [0] * len(TABLES)
    assert await world.keyring.load(who.person_id) is None
    assert not list(world.keys.glob(f"*{who.person_id}*"))
    with pytest.raises(PermissionDenied):
        await world.measure(who)
    told_why = await refusal(world.trend(who.token, HEART_RATE))
    assert told_why == "PERMISSION_DENIED:CONSENT_WITHDRAWN"
    await nothing_opens(world, who, key)


async def nothing_opens(world: World, who: Enrolled, key: bytes | None) -> None:
    """Newest of each of their measurements on the topic is a tombstone, and older ones, that the
    broker has not deleted yet, open with the destroyed key alone."""
    left = [UUID(path.stem) for path in world.keys.glob("*.key")]
    keys = [opened for one in left if (opened := await world.keyring.load(one))]
    assert keys
    newest, theirs = {}, []
    for record in await world.topic(MEASUREMENT_TAKEN, "health"):
        newest[record.key] = record
        if record.value is not None:
            event = told(record, "measurement_taken.v1")
            if event["person_id"] == str(who.person_id):
                theirs.append((record.key, event["sealed"]))
    for measurement, sealed in theirs:
        assert newest[measurement].value is None
        for other in keys:
            for field in ("measurement", "profile"):
                with pytest.raises(Unreadable):
                    PersonalBox(who.person_id, other).open(field, sealed)
        if key:
            assert PersonalBox(who.person_id, key).open("measurement", sealed)
