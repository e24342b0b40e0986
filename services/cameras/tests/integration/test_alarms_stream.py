"""Detections on the topic become alarms, each once, with what they must tell."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from cameras.alarms import facts
from cameras.alarms.alarm import alarm_id
from city_backbone.testing import Mesh, eventually

from .alarms_mesh import DEAD_LETTERS, START, Centre, detection, open_centre, persistent

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def centre(mesh: Mesh) -> AsyncIterator[Centre]:
    async with open_centre(mesh) as opened:
        yield opened


async def test_what_persists_becomes_an_alarm_with_what_caused_it(centre: Centre) -> None:
    site_id = await centre.site()
    seen = persistent(site_id)
    await centre.see(seen)
    (raised,) = await centre.told(facts.ALARM_RAISED, site_id)
    (stored,) = await centre.alarms(site_id)
    assert raised["alarm_id"] == str(stored["alarm_id"]) == str(alarm_id(site_id, "FIGHT", 1))
    assert (raised["kind"], raised["purpose"], raised["urgency"]) == ("FIGHT", "PARK", "URGENT")
    assert (raised["place"], raised["latitude"], raised["longitude"]) == (
        "직동근린공원",
        37.7381,
        127.0338,
    )
    assert raised["occurred_at"] == START
    assert raised["persisted_at"] == START + timedelta(seconds=5)
    assert [one["camera_id"] for one in raised["witnesses"]] == [f"{site_id}-1"]
    assert raised["detection_ids"] == [event.data["detection_id"] for event in seen[:3]]
    assert (raised["rule_id"], raised["rule_version"]) == ("fight", 1)


async def test_what_does_not_persist_or_is_not_sure_is_no_alarm(centre: Centre) -> None:
    site_id = await centre.site()
    unsure = [
        event.__class__(
            event.topic, event.key, event.id, event.time, {**event.data, "confidence": 0.59}
        )
        for event in persistent(site_id, kind="FIRE", seconds=10)
    ]
    await centre.see([*persistent(site_id, kind="ARSON", seconds=3), *unsure])
    await centre.see(persistent(site_id, kind="INTRUSION", seconds=10))  # in a park, by day
    await centre.see(persistent(site_id, first=20))
    assert [row["kind"] for row in await centre.alarms(site_id)] == ["FIGHT"]


async def test_cameras_of_one_site_are_witnesses_of_one_alarm(centre: Centre) -> None:
    site_id = await centre.site()
    second = [detection(site_id, at, camera="2", track="b") for at in (2, 3, 4, 5, 6.5, 7.5)]
    await centre.see([*second[:4], *persistent(site_id, first=3)])
    await centre.told(facts.ALARM_RAISED, site_id)
    await centre.see(second[4:])
    changed = (await centre.told(facts.ALARM_CHANGED, site_id))[-1]
    assert (changed["revision"], changed["changed_by"]) == (2, "cameras")
    assert [one["camera_id"] for one in changed["witnesses"]] == [f"{site_id}-2", f"{site_id}-1"]
    assert changed["occurred_at"] == START + timedelta(seconds=2)
    (stored,) = await centre.alarms(site_id)
    assert stored["occurred_at"] == START + timedelta(seconds=2)
    await centre.see(persistent(site_id, first=60, camera="3", track="c"))
    assert [row["number"] for row in await centre.alarms(site_id, 2)] == [1, 2]


async def test_too_late_goes_to_the_dead_letters_with_the_reason(centre: Centre) -> None:
    site_id = await centre.site()
    await centre.see([detection(site_id, 10), detection(site_id, 4.8, track="b")])
    (dead,) = await centre.told(DEAD_LETTERS, site_id)
    reason = dead["headers"]["dlt_reason"]
    assert reason == "later than the bound: 5.2 s behind, at most 2 s"
    await centre.see(persistent(site_id, first=9))
    assert len(await centre.alarms(site_id)) == 1


async def test_the_same_detections_again_change_nothing(centre: Centre) -> None:
    site_id, other = await centre.site(), await centre.site()
    await centre.see(persistent(site_id, seconds=70, kind="ABANDONMENT"))
    await centre.told(facts.ALARM_RAISED, site_id)
    before = await centre.rows("select * from alarm where site_id = %s", site_id)
    await centre.see(persistent(site_id, seconds=70, kind="ABANDONMENT"))
    await centre.see([*persistent(site_id, seconds=50, kind="ABANDONMENT"), *persistent(other)])
    await centre.told(facts.ALARM_RAISED, other)
    await outbox_empty(centre)
    assert await centre.rows("select * from alarm where site_id = %s", site_id) == before
    assert len(await centre.topics.events(facts.ALARM_RAISED, site_id)) == 1
    assert await centre.topics.events(DEAD_LETTERS, site_id) == []


async def test_arson_goes_to_emergency_with_its_raising(centre: Centre) -> None:
    site_id = await centre.site()
    await centre.see(persistent(site_id, kind="ARSON"))
    (escalated,) = await centre.told(facts.ALARM_ESCALATED, site_id)
    assert (escalated["automatic"], escalated["escalated_by"]) == (True, "cameras")
    assert escalated["camera_ids"] == [f"{site_id}-1"]
    (stored,) = await centre.alarms(site_id)
    assert (stored["status"], stored["revision"]) == ("ESCALATED", 2)
    changes = await centre.rows(
        "select revision, status, xmin::text from alarm_change where alarm_id = %s order by change",
        stored["alarm_id"],
    )
    assert [(row["revision"], row["status"]) for row in changes] == [
        (1, "RAISED"),
        (2, "ESCALATED"),
    ]
    assert changes[0]["xmin"] == changes[1]["xmin"]


async def test_numbers_go_on_when_an_idle_watch_was_deleted(centre: Centre) -> None:
    site_id = await centre.site()
    await centre.see(persistent(site_id))
    await centre.alarms(site_id)
    await centre.execute("delete from site_watch where site_id = %s", site_id)
    await centre.see(persistent(site_id, first=86_400))
    assert [row["number"] for row in await centre.alarms(site_id, 2)] == [1, 2]


async def test_an_alarm_at_an_unknown_place_is_dead_lettered(centre: Centre) -> None:
    await centre.see(persistent("nowhere"))
    dead = await centre.told(DEAD_LETTERS, "nowhere")
    assert "site_id: 'nowhere' is not registered" in dead[-1]["headers"]["dlt_reason"]
    assert await centre.rows("select * from alarm where site_id = 'nowhere'") == []


async def outbox_empty(centre: Centre) -> None:
    async def empty() -> bool:
        return await centre.rows("select from outbox limit 1") == []

    await eventually(empty)
