"""What operators see and do, by the calls they make."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import pytest_asyncio
from cameras.alarms import facts
from cameras.alarms.store_rules import shipped
from city.cameras.v1 import alarm_pb2 as pb
from city.cameras.v1.detection_pb2 import DETECTION_KIND_FIGHT
from city_backbone.testing import Mesh, eventually
from google.protobuf.timestamp_pb2 import Timestamp

from .alarms_mesh import DEADLINE, Centre, key, open_centre, persistent

pytestmark = pytest.mark.asyncio(loop_scope="module")

RAISED, DISMISSED, ESCALATED = (
    pb.ALARM_STATUS_RAISED,
    pb.ALARM_STATUS_DISMISSED,
    pb.ALARM_STATUS_ESCALATED,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def centre(mesh: Mesh) -> AsyncIterator[Centre]:
    async with open_centre(mesh) as opened:
        yield opened


async def raised(centre: Centre, kind: str = "ABANDONMENT", seconds: int = 62) -> str:
    """An alarm that nobody has touched; by default one that waits for operators for ever."""
    site_id = await centre.site()
    await centre.see(persistent(site_id, kind=kind, seconds=seconds))
    (stored,) = await centre.alarms(site_id)
    return str(stored["alarm_id"])


async def refused(call: Awaitable[object]) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


def acknowledge(alarm_id: str, **more: str) -> pb.AcknowledgeAlarmRequest:
    return pb.AcknowledgeAlarmRequest(
        **{"idempotency_key": key(), "alarm_id": alarm_id, "operator": "kim", **more}
    )


def dismiss(alarm_id: str, **more: str) -> pb.DismissAlarmRequest:
    fields = {"idempotency_key": key(), "alarm_id": alarm_id, "operator": "lee"}
    return pb.DismissAlarmRequest(**{**fields, "reason": "청소 중", **more})


def escalate(alarm_id: str, **more: str) -> pb.EscalateAlarmRequest:
    fields = {"idempotency_key": key(), "alarm_id": alarm_id, "operator": "park"}
    return pb.EscalateAlarmRequest(**{**fields, "reason": "가방", **more})


async def test_a_life_to_dismissal_and_what_it_then_refuses(centre: Centre) -> None:
    identity, stub = await raised(centre), centre.stub
    seen = (await stub.AcknowledgeAlarm(acknowledge(identity), timeout=DEADLINE)).alarm
    assert (seen.status, seen.revision) == (pb.ALARM_STATUS_ACKNOWLEDGED, 2)
    assert seen.changed_by == "kim"
    again = (await stub.AcknowledgeAlarm(acknowledge(identity), timeout=DEADLINE)).alarm
    assert again == seen
    gone = (await stub.DismissAlarm(dismiss(identity), timeout=DEADLINE)).alarm
    assert (gone.status, gone.revision, gone.reason) == (DISMISSED, 3, "청소 중")
    assert (await stub.DismissAlarm(dismiss(identity), timeout=DEADLINE)).alarm == gone
    failed = grpc.StatusCode.FAILED_PRECONDITION
    assert await refused(stub.AcknowledgeAlarm(acknowledge(identity), timeout=DEADLINE)) is failed
    assert await refused(stub.EscalateAlarm(escalate(identity), timeout=DEADLINE)) is failed
    got = await stub.GetAlarm(pb.GetAlarmRequest(alarm_id=identity), timeout=DEADLINE)
    assert got.alarm == gone
    changed = await centre.told(facts.ALARM_CHANGED, gone.site_id, 2)
    assert [(one["revision"], one["status"], one["changed_by"]) for one in changed] == [
        (2, "ACKNOWLEDGED", "kim"),
        (3, "DISMISSED", "lee"),
    ]
    assert await centre.topics.events(facts.ALARM_ESCALATED, gone.site_id) == []


async def test_escalation_is_told_once_and_is_final(centre: Centre) -> None:
    identity, stub = await raised(centre), centre.stub
    gone = (await stub.EscalateAlarm(escalate(identity), timeout=DEADLINE)).alarm
    assert (gone.status, gone.revision) == (ESCALATED, 2)
    assert (await stub.EscalateAlarm(escalate(identity), timeout=DEADLINE)).alarm == gone
    failed = grpc.StatusCode.FAILED_PRECONDITION
    assert await refused(stub.DismissAlarm(dismiss(identity), timeout=DEADLINE)) is failed
    assert await refused(stub.AcknowledgeAlarm(acknowledge(identity), timeout=DEADLINE)) is failed
    (told,) = await centre.told(facts.ALARM_ESCALATED, gone.site_id)
    assert (told["escalated_by"], told["automatic"], told["reason"]) == ("park", False, "가방")


async def test_a_witness_of_a_dismissed_alarm_is_recorded_and_it_stays_dismissed(
    centre: Centre,
) -> None:
    site_id = await centre.site()
    await centre.see(persistent(site_id, kind="ABANDONMENT", seconds=62))
    (stored,) = await centre.alarms(site_id)
    await centre.stub.DismissAlarm(dismiss(str(stored["alarm_id"])), timeout=DEADLINE)
    await centre.see(
        persistent(site_id, kind="ABANDONMENT", first=60, seconds=62, camera="2", track="b")
    )
    changed = (await centre.told(facts.ALARM_CHANGED, site_id, 2))[-1]
    assert (changed["status"], changed["revision"]) == ("DISMISSED", 3)
    assert len(changed["witnesses"]) == 2
    assert changed["reason"] == "청소 중"


async def test_the_same_key_again_has_one_effect(centre: Centre) -> None:
    identity = await raised(centre)
    seen = acknowledge(identity)
    acknowledged = [await centre.stub.AcknowledgeAlarm(seen, timeout=DEADLINE) for _ in range(2)]
    assert acknowledged[0] == acknowledged[1]
    nothing = dismiss(identity)
    dismissed = [await centre.stub.DismissAlarm(nothing, timeout=DEADLINE) for _ in range(2)]
    assert dismissed[0] == dismissed[1]
    escalated = escalate(await raised(centre))
    answers = [await centre.stub.EscalateAlarm(escalated, timeout=DEADLINE) for _ in range(2)]
    assert answers[0] == answers[1]
    rows = await centre.rows("select revision from alarm where alarm_id = %s", identity)
    assert rows == [{"revision": 3}]


async def test_acknowledged_alarms_do_not_escalate_by_themselves(centre: Centre) -> None:
    looked_at, left = await raised(centre, "FALL", 12), await raised(centre, "FALL", 12)
    seen = await centre.stub.AcknowledgeAlarm(acknowledge(looked_at), timeout=DEADLINE)
    assert not seen.alarm.HasField("escalates_at")
    due = "update alarm set escalates_at = now() where alarm_id = %s"
    await centre.execute(due, left)

    async def status(identity: str) -> int:
        request = pb.GetAlarmRequest(alarm_id=identity)
        return (await centre.stub.GetAlarm(request, timeout=DEADLINE)).alarm.status

    async def gone() -> bool:
        return await status(left) == ESCALATED

    await eventually(gone)
    assert await status(looked_at) == pb.ALARM_STATUS_ACKNOWLEDGED


async def test_what_is_asked_wrongly(centre: Centre) -> None:
    stub, identity = centre.stub, await raised(centre)
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    for call in (
        stub.GetAlarm(pb.GetAlarmRequest(alarm_id="x"), timeout=DEADLINE),
        stub.AcknowledgeAlarm(acknowledge(identity, operator=" "), timeout=DEADLINE),
        stub.EscalateAlarm(escalate(identity, operator="cameras"), timeout=DEADLINE),
        stub.DismissAlarm(dismiss(identity, reason=""), timeout=DEADLINE),
        stub.EscalateAlarm(escalate(identity, reason="가" * 501), timeout=DEADLINE),
        stub.ListAlarms(pb.ListAlarmsRequest(page_token="x"), timeout=DEADLINE),
        stub.ListAlarms(
            pb.ListAlarmsRequest(statuses=[pb.ALARM_STATUS_UNSPECIFIED]), timeout=DEADLINE
        ),
    ):
        assert await refused(call) is invalid
    unknown = key()
    for call in (
        stub.GetAlarm(pb.GetAlarmRequest(alarm_id=unknown), timeout=DEADLINE),
        stub.DismissAlarm(dismiss(unknown), timeout=DEADLINE),
    ):
        assert await refused(call) is grpc.StatusCode.NOT_FOUND


async def test_the_list_is_newest_first_page_by_page(centre: Centre) -> None:
    site_id = await centre.site()
    for number in range(3):
        await centre.see(persistent(site_id, first=700 * number))
    await centre.see(persistent(site_id, kind="FALL", seconds=12))
    await centre.alarms(site_id, 4)
    request = pb.ListAlarmsRequest(site_id=site_id, kind=DETECTION_KIND_FIGHT, page_size=2)
    first = await centre.stub.ListAlarms(request, timeout=DEADLINE)
    request.page_token = first.next_page_token
    second = await centre.stub.ListAlarms(request, timeout=DEADLINE)
    listed = [*first.alarms, *second.alarms]
    assert [len(first.alarms), len(second.alarms), second.next_page_token] == [2, 1, ""]
    times = [one.occurred_at.ToDatetime() for one in listed]
    assert times == sorted(times, reverse=True)
    none = pb.ListAlarmsRequest(site_id=site_id, statuses=[DISMISSED])
    assert not (await centre.stub.ListAlarms(none, timeout=DEADLINE)).alarms


async def test_a_watch_resumes_where_it_broke_off_and_misses_nothing(centre: Centre) -> None:
    site_id = await centre.site()
    rows = await centre.rows("select coalesce(max(change), 0) as change from alarm_change")
    cursor = str(rows[0]["change"])

    async def next_of_site(cursor: str) -> pb.WatchAlarmsResponse:
        watch = centre.stub.WatchAlarms(pb.WatchAlarmsRequest(cursor=cursor), timeout=DEADLINE)
        async for answer in watch:
            if answer.alarm.site_id == site_id:
                watch.cancel()
                return answer
        raise AssertionError("the watch ended")

    waiting = asyncio.ensure_future(next_of_site(cursor))
    await centre.see(persistent(site_id, kind="ABANDONMENT", seconds=62))
    first = await waiting
    assert (first.alarm.status, first.alarm.revision) == (RAISED, 1)
    assert first.alarm.place == "직동근린공원"
    await centre.stub.AcknowledgeAlarm(acknowledge(first.alarm.alarm_id), timeout=DEADLINE)
    await centre.stub.EscalateAlarm(escalate(first.alarm.alarm_id), timeout=DEADLINE)
    second = await next_of_site(first.cursor)
    third = await next_of_site(second.cursor)
    assert [second.alarm.revision, third.alarm.revision] == [2, 3]
    assert third.alarm.status == ESCALATED
    assert (await next_of_site(first.cursor)).cursor == second.cursor


def stamp(moment: datetime) -> Timestamp:
    result = Timestamp()
    result.FromDatetime(moment)
    return result


async def test_rules_are_put_as_versions_each_from_its_time(centre: Centre) -> None:
    stub = centre.stub
    long_ago = pb.GetRuleSetRequest(at=stamp(datetime(2020, 1, 1, tzinfo=UTC)))
    first = (await stub.GetRuleSet(long_ago, timeout=DEADLINE)).rule_set
    assert first.version == 1
    assert [one.rule_id for one in first.rules] == [one.rule_id for one in shipped().rules]
    found = await centre.rows("select max(effective_from) as last from rule_set")
    begins = max(found[0]["last"], datetime.now(UTC)) + timedelta(days=1)

    new = pb.RuleSet()
    new.CopyFrom(first)
    new.effective_from.FromDatetime(begins)
    new.rules[0].dwell_seconds = 1.5
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.PutRuleSet(
            pb.PutRuleSetRequest(idempotency_key=key(), rule_set=new), timeout=DEADLINE
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "rule_set.rules[fire].dwell_seconds" in str(caught.value.details())
    new.rules[0].dwell_seconds = 6

    request = pb.PutRuleSetRequest(idempotency_key=key(), rule_set=new)
    put = (await stub.PutRuleSet(request, timeout=DEADLINE)).rule_set
    assert (await stub.PutRuleSet(request, timeout=DEADLINE)).rule_set == put
    assert put.version >= 2
    at = pb.GetRuleSetRequest(at=new.effective_from)
    assert (await stub.GetRuleSet(at, timeout=DEADLINE)).rule_set == put
    now = (await stub.GetRuleSet(pb.GetRuleSetRequest(), timeout=DEADLINE)).rule_set
    assert now.version < put.version

    for moment in (datetime.now(UTC) + timedelta(seconds=9), begins):
        new.effective_from.FromDatetime(moment)
        request = pb.PutRuleSetRequest(idempotency_key=key(), rule_set=new)
        call = stub.PutRuleSet(request, timeout=DEADLINE)
        assert await refused(call) is grpc.StatusCode.FAILED_PRECONDITION
