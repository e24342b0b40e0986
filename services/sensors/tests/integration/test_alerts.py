"""Alerts of neighbourhoods, as they are told of and as they are asked for."""

from typing import Any

import pytest
from city.sensors.v1 import sensors_pb2 as pb
from sensors import facts
from sensors.domain.pollutant import Pollutant

from .conftest import Department, at, reading, unique

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def hours(department: Department, name: str, first: int, *values: float | None) -> None:
    """Publish PM10 hour by hour from hour `first` on; None is an hour that is missing."""
    await department.publish(
        *(
            reading(name, at(60 * (first + place)), PM10=value)
            for place, value in enumerate(values)
            if value is not None
        )
    )
    await department.processed(name)


async def changes(department: Department, dong: str) -> list[dict[str, Any]]:
    events = await department.events(facts.AIR_ALERT_CHANGED, dong=dong)
    return sorted(events, key=lambda event: (event["issued_at"], event["sequence"]))


def told(events: list[dict[str, Any]]) -> list[tuple[int, str, str, int]]:
    """Sequence, level before, level, and the hour that changed it."""
    return [
        (
            event["sequence"],
            event["previous_level"],
            event["level"],
            round((event["changed_at"] - at(0)).total_seconds() / 3600),
        )
        for event in events
    ]


async def alerts(department: Department, dong: str, **request: Any) -> list[pb.Alert]:
    answer = await department.stub.ListAlerts(pb.ListAlertsRequest(dong=dong, **request), timeout=9)
    return list(answer.alerts)


async def test_an_alert_from_issue_to_lifting(department: Department) -> None:
    dong = unique("먼지동")
    name = await department.register(unique("dust"), dong)
    await hours(department, name, 0, 160, 170, 310, 305, 140, 99.9)
    events = await changes(department, dong)
    assert told(events) == [
        (1, "NONE", "ADVISORY", 1),
        (2, "ADVISORY", "WARNING", 3),
        (3, "WARNING", "ADVISORY", 4),
        (4, "ADVISORY", "LIFTED", 5),
    ]
    assert {event["alert_id"] for event in events} == {
        str(facts.alert_id(dong, Pollutant.PM10, at(60), 0))
    }
    assert all(event["official"] is False for event in events)
    assert [[cause["mean"] for cause in event["causes"]] for event in events] == [
        [160.0, 170.0],
        [310.0, 305.0],
        [140.0],
        [99.9],
    ]
    assert events[0]["causes"][0]["mean_id"] == str(facts.mean_id(name, at(0)))
    (alert,) = await alerts(department, dong)
    assert alert.level == pb.ALERT_LEVEL_LIFTED
    assert [change.sequence for change in alert.changes] == [1, 2, 3, 4]
    assert await alerts(department, dong, active_only=True) == []


async def test_a_missing_hour_breaks_the_run_whatever_the_batches(department: Department) -> None:
    dong = unique("빈동")
    name = await department.register(unique("gap"), dong)
    await hours(department, name, 0, 160)
    await hours(department, name, 2, 160, None, 160)
    assert await changes(department, dong) == []
    await hours(department, name, 5, 160)
    assert told(await changes(department, dong)) == [(1, "NONE", "ADVISORY", 5)]


async def test_the_same_again_changes_nothing(department: Department) -> None:
    dong = unique("또동")
    name = await department.register(unique("same"), dong)
    values = (160.0, 170.0, 90.0, 200.0, 200.0)
    await hours(department, name, 0, *values)
    before = await changes(department, dong)
    await hours(department, name, 0, *values)
    assert await changes(department, dong) == before
    assert told(before) == [
        (1, "NONE", "ADVISORY", 1),
        (2, "ADVISORY", "LIFTED", 2),
        (1, "NONE", "ADVISORY", 4),
    ]


async def test_an_hour_that_comes_late_rewrites_no_alert(department: Department) -> None:
    dong = unique("늦동")
    name = await department.register(unique("old"), dong)
    await hours(department, name, 0, 160, None, 90)
    await hours(department, name, 1, 170)
    assert await changes(department, dong) == []
    assert len(await department.events(facts.HOURLY_MEAN_COMPUTED, station_id=name)) == 3


async def test_a_revision_of_the_newest_hour_is_judged_anew(department: Department) -> None:
    dong = unique("새동")
    name = await department.register(unique("revised"), dong, interval_minutes=30)
    for minutes, value in ((30, 160), (60, 160), (90, 160), (135, 160)):
        await department.publish(reading(name, at(minutes), PM10=value))
    await department.processed(name)
    assert await changes(department, dong) == []
    await department.publish(reading(name, at(120), PM10=200))
    await department.processed(name)
    (event,) = await changes(department, dong)
    assert (event["level"], event["changed_at"]) == ("ADVISORY", at(120))
    assert [(cause["mean"], cause["revision"]) for cause in event["causes"]] == [
        (160.0, 1),
        (180.0, 2),
    ]


async def test_an_area_has_the_highest_level_of_its_stations(department: Department) -> None:
    dong = unique("두동")
    one = await department.register(unique("one"), dong)
    other = await department.register(unique("other"), dong)
    await hours(department, one, 0, 160, 160)
    await hours(department, other, 0, 310, 310)
    await hours(department, one, 2, 50)
    await hours(department, other, 2, 120)
    await hours(department, other, 3, 50)
    assert told(await changes(department, dong)) == [
        (1, "NONE", "ADVISORY", 1),
        (2, "ADVISORY", "WARNING", 1),
        (3, "WARNING", "ADVISORY", 2),
        (4, "ADVISORY", "LIFTED", 3),
    ]


async def test_stations_run_apart_and_the_hour_issues_a_second_alert(
    department: Department,
) -> None:
    dong = unique("앞뒤동")
    fast = await department.register(unique("fast"), dong)
    slow = await department.register(unique("slow"), dong)
    await hours(department, fast, 0, 160, 160, 50)
    await hours(department, slow, 0, 160, 160, 50)
    events = await changes(department, dong)
    assert sorted(told(events)) == [
        (1, "NONE", "ADVISORY", 1),
        (1, "NONE", "ADVISORY", 1),
        (2, "ADVISORY", "LIFTED", 2),
        (2, "ADVISORY", "LIFTED", 2),
    ]
    assert len({event["ce_id"] for event in events}) == 4


async def test_a_silent_station_does_not_hold_an_alert_once_another_is_heard(
    department: Department,
) -> None:
    dong = unique("침묵동")
    silent = await department.register(unique("silent"), dong)
    heard = await department.register(unique("heard"), dong)
    await hours(department, silent, 0, 160, 160)
    await department.one(
        "update station_contact set silent_since = now() where station_id = %s returning 1", silent
    )
    assert told(await changes(department, dong)) == [(1, "NONE", "ADVISORY", 1)]
    await hours(department, heard, 2, 50)
    assert told(await changes(department, dong))[1:] == [(2, "ADVISORY", "LIFTED", 2)]
    await hours(department, silent, 3, 120)
    assert told(await changes(department, dong))[2:] == [(1, "NONE", "ADVISORY", 3)]


@pytest.mark.parametrize("leave", ["retires", "moves away", "measures it no more"])
async def test_when_its_only_station_leaves_the_alert_is_lifted(
    department: Department, leave: str
) -> None:
    dong = unique("떠난동")
    name = await department.register(unique("leaves"), dong)
    await hours(department, name, 0, 160, 160)
    if leave == "retires":
        await department.stub.RetireStation(
            pb.RetireStationRequest(
                idempotency_key="6f1d4a0e-7d0f-4f0a-9c57-" + name[-8:] + "0000", station_id=name
            ),
            timeout=9,
        )
        answer = await department.publish(reading(name, at(300), PM10=1))
        assert answer.results[0].problems[0].reason == pb.PROBLEM_REASON_RETIRED_STATION
    elif leave == "moves away":
        await department.register(name, unique("다른동"))
    else:
        await department.register(name, dong, pollutants=[pb.POLLUTANT_O3])
    await department.processed(name)
    events = await changes(department, dong)
    assert told(events) == [(1, "NONE", "ADVISORY", 1), (2, "ADVISORY", "LIFTED", 1)]
    assert events[1]["causes"] == []
    assert await alerts(department, dong, active_only=True) == []


async def test_alerts_are_listed_newest_first_in_pages(department: Department) -> None:
    dong = unique("쪽동")
    name = await department.register(unique("pages"), dong)
    for episode in range(5):
        await hours(department, name, 4 * episode, 160, 160, 50)
    whole = await alerts(department, dong)
    assert [alert.issued_at.seconds for alert in whole] == sorted(
        (alert.issued_at.seconds for alert in whole), reverse=True
    )
    paged: list[pb.Alert] = []
    request = pb.ListAlertsRequest(dong=dong, page_size=2)
    while True:
        answer = await department.stub.ListAlerts(request, timeout=9)
        assert len(answer.alerts) <= 2
        paged += answer.alerts
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert paged == whole
    assert len(whole) == 5
