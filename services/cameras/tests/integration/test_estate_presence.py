"""Heartbeats, and who is told to be online or offline because of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
from cameras.estate import facts
from cameras.estate import store_presence as store
from cameras.estate.heartbeats import HEARTBEATS_METRIC, Heartbeats, Outcome
from cameras.estate.judging import CAMERAS_METRIC, CHANGES_METRIC, Judging
from cameras.estate.presence import Presence, PresenceStatus, Rule
from city.cameras.v1 import camera_pb2 as pb
from city_backbone.database import Connection
from city_backbone.testing import Mesh, eventually
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from .estate_mesh import DEADLINE, Estate, camera, heartbeat, key, running_estate, unique
from .estate_mesh import violations as named

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULE = Rule(timedelta(seconds=60), 3)
LONGEST_BREAK = timedelta(seconds=15)
START = datetime(2026, 11, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Life:
    """Heartbeats and judging at a time of the test's own; `now` in seconds after START."""

    def __init__(self, estate: Estate) -> None:
        self.now = 0.0
        self._database = estate.service.backbone.database
        self._reader = InMemoryMetricReader()
        meter = MeterProvider([self._reader], shutdown_on_exit=False).get_meter("test")
        clock: Callable[[], datetime] = lambda: at(self.now)  # noqa: E731
        self.heartbeats = Heartbeats(RULE, meter, clock)
        self.judging = Judging(estate.service.backbone.outbox, RULE, LONGEST_BREAK, meter, clock)

    async def beat(self, camera_id: str, *seconds: float) -> list[Outcome]:
        async with self._database.transaction() as connection:
            results = await self.heartbeats.take(
                connection, [(camera_id, at(second)) for second in seconds]
            )
        self.heartbeats.count(results)
        return [result.outcome for result in results]

    async def judge(self) -> bool:
        async with self._database.transaction() as connection:
            return await self.judging.judge(connection)

    async def judge_until(self, seconds: float) -> None:
        """Turns of five seconds, as the service takes them."""
        while self.now < seconds:
            self.now = min(self.now + 5, seconds)
            await self.judge()

    def metric(self, name: str) -> dict[tuple[Any, ...], float]:
        """Values by those of the attributes."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            tuple((point.attributes or {}).values()): point.value  # type: ignore[union-attr]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def estate(mesh: Mesh) -> AsyncIterator[Estate]:
    async with running_estate(mesh) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def life(estate: Estate) -> Life:
    """The service has listened for a minute; nobody has been heard of."""
    await estate.rows(
        "update camera_presence set status = 'UNKNOWN', last_heard_at = null, heard_since = null,"
        " recent = '{}'"
    )
    await estate.rows("update presence_watch set since = null, until = null")
    life = Life(estate)
    life.now = -60
    await life.judge()
    await life.judge_until(0)
    return life


def topics(told: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    return [topic for topic, _ in told]


async def test_online_offline_and_back_are_told_once_each(estate: Estate, life: Life) -> None:
    name = await estate.new_camera()
    await life.beat(name, 0)
    await life.judge_until(10)
    await life.beat(name, 10)
    await life.judge_until(20)
    assert (await estate.get(name)).presence == pb.PRESENCE_STATUS_UNKNOWN
    await life.beat(name, 20)
    await life.judge_until(79)
    assert (await estate.get(name)).presence == pb.PRESENCE_STATUS_ONLINE
    await life.judge_until(100)
    known = await estate.get(name)
    assert known.presence == pb.PRESENCE_STATUS_OFFLINE
    assert known.last_heard_at.ToDatetime(UTC) == at(20)
    for second in (101, 111, 121):
        life.now = second
        await life.beat(name, second)
        await life.judge()
    told = await estate.told(name)
    assert topics(told) == [facts.CAMERA_ONLINE, facts.CAMERA_OFFLINE, facts.CAMERA_ONLINE]
    online, offline, back = [event for _, event in told]
    assert online == {
        "camera_id": name,
        "site_id": (await estate.get(name)).site_id,
        "purpose": "PARK",
        "heard_since": at(0),
        "changed_at": at(25),
        "ce_id": online["ce_id"],
    }
    assert (offline["last_heard_at"], offline["changed_at"]) == (at(20), at(84))
    assert back["heard_since"] == at(101)
    assert len({event["ce_id"] for _, event in told}) == 3


async def test_a_camera_that_comes_and_goes_does_not_flap(estate: Estate, life: Life) -> None:
    name = await estate.new_camera()
    for start in range(0, 400, 100):
        for second in range(start, start + 51, 10):
            await life.judge_until(second)
            await life.beat(name, second)
        await life.judge_until(start + 95)
    assert topics(await estate.told(name)) == [facts.CAMERA_ONLINE]


async def test_one_heartbeat_in_a_long_silence_is_not_online(estate: Estate, life: Life) -> None:
    name = await estate.new_camera()
    await life.beat(name, -20, -10, 0)
    await life.judge_until(200)
    await life.beat(name, 200)
    await life.judge_until(400)
    assert topics(await estate.told(name)) == [facts.CAMERA_ONLINE, facts.CAMERA_OFFLINE]


async def test_after_an_outage_of_the_service_nobody_is_offline_at_once(
    estate: Estate, life: Life
) -> None:
    alive, dead = await estate.new_camera(), await estate.new_camera()
    for name in (alive, dead):
        await life.beat(name, -20, -10, 0)
    await life.judge_until(5)
    life.now = 3600
    await life.judge()
    await life.judge_until(3655)
    assert (await estate.get(dead)).presence == pb.PRESENCE_STATUS_ONLINE
    await life.beat(alive, 3655)
    await life.judge_until(3660)
    assert (await estate.get(dead)).presence == pb.PRESENCE_STATUS_OFFLINE
    assert topics(await estate.told(alive)) == [facts.CAMERA_ONLINE]


async def test_a_short_break_of_the_service_is_no_outage(estate: Estate, life: Life) -> None:
    name = await estate.new_camera()
    await life.beat(name, -20, -10, 0)
    await life.judge_until(50)
    life.now = 65
    await life.judge()
    assert (await estate.get(name)).presence == pb.PRESENCE_STATUS_OFFLINE


async def test_replicas_judge_in_turn(estate: Estate, life: Life) -> None:
    name = await estate.new_camera()
    await life.beat(name, 0, 1, 2)
    life.now = 3
    async with estate.service.backbone.database.transaction() as first:
        assert not await life.judging.judge(first)
        async with asyncio.timeout(DEADLINE):
            assert not await life.judge()
    await life.judge()
    assert topics(await estate.told(name)) == [facts.CAMERA_ONLINE]
    assert life.metric(CHANGES_METRIC) == {("online",): 1}


async def test_a_camera_somebody_works_on_is_judged_in_the_next_turn(
    estate: Estate, life: Life
) -> None:
    name = await estate.new_camera()
    await life.beat(name, 0, 1, 2)
    life.now = 3
    async with estate.service.backbone.database.transaction() as ingest:
        await store.lock(ingest, [name])
        async with asyncio.timeout(DEADLINE):
            await life.judge()
    assert (await estate.get(name)).presence == pb.PRESENCE_STATUS_UNKNOWN
    await life.judge()
    assert (await estate.get(name)).presence == pb.PRESENCE_STATUS_ONLINE


async def test_a_blackout_is_told_in_parts_until_all_of_it_is_told(
    estate: Estate, life: Life
) -> None:
    site_id = unique("site")
    names = [unique("dark") for _ in range(501)]
    await estate.register(*[camera(name, site_id) for name in names])
    await estate.rows(
        "update camera_presence set status = 'ONLINE', last_heard_at = %s, heard_since = %s"
        " where camera_id = any(%s)",
        at(-60),
        at(-60),
        names,
    )
    assert await life.judge()
    assert not await life.judge()
    assert topics(await estate.told(*names)) == [facts.CAMERA_OFFLINE] * 501


async def test_those_whose_silence_is_not_judged_yet_hold_up_nobody(
    estate: Estate, life: Life
) -> None:
    site_id, back = unique("site"), unique("z-back")
    names = [unique("a-dark") for _ in range(501)]
    await estate.register(*[camera(name, site_id) for name in (*names, back)])
    await estate.rows(
        "update camera_presence set status = 'ONLINE', last_heard_at = %s, heard_since = %s"
        " where camera_id = any(%s)",
        at(0),
        at(0),
        names,
    )
    life.now = 3600
    await life.beat(back, 3590, 3595, 3600)
    await life.judge()
    assert topics(await estate.told(back, *names)) == [facts.CAMERA_ONLINE]


async def test_retired_cameras_are_not_judged_and_not_counted(estate: Estate, life: Life) -> None:
    name = await estate.new_camera()
    await life.beat(name, 0, 1, 2)
    life.now = 3
    await life.judge()
    database = estate.service.backbone.database
    async with database.transaction() as connection:
        await life.judging.measure(connection)
    before = life.metric(CAMERAS_METRIC)
    request = pb.RetireCameraRequest(idempotency_key=key(), camera_id=name)
    await estate.stub.RetireCamera(request, timeout=DEADLINE)
    await life.judge_until(100)
    async with database.transaction() as connection:
        await life.judging.measure(connection)
    after = life.metric(CAMERAS_METRIC)
    assert topics(await estate.told(name)) == [facts.CAMERA_ONLINE]
    assert after[("online",)] == before[("online",)] - 1
    assert set(after) == {("online",), ("offline",), ("unknown",)}


async def test_the_statement_and_the_rule_agree(estate: Estate, life: Life) -> None:
    """Random histories: who is judged anew by SQL's choice is who is by the rule alone."""
    chance = random.Random(60)
    site_id = unique("site")
    names = [unique("random") for _ in range(300)]
    await estate.register(*[camera(name, site_id) for name in names])
    presences: dict[str, Presence] = {}
    for name in names:
        presence = Presence(chance.choice(list(PresenceStatus)))
        beats = sorted(chance.choice(range(-120, 1, 10)) for _ in range(chance.randint(0, 6)))
        for beat in beats:
            presence = presence.heard(at(beat), RULE)
        presences[name] = presence
    database = estate.service.backbone.database
    async with database.transaction() as connection:
        await store.save(connection, presences)
    await life.judge()
    async with database.transaction() as connection:
        after = await store.lock(connection, names)
    expected = {name: one.judged(at(0), at(-60), RULE) for name, one in presences.items()}
    assert {name: found.presence for name, found in after.items()} == expected
    assert {one.status for one in expected.values()} == set(PresenceStatus)


async def test_older_and_repeated_heartbeats_change_nothing(estate: Estate, life: Life) -> None:
    name = await estate.new_camera()
    assert await life.beat(name, 0, 0, -5, 1) == [
        Outcome.ACCEPTED,
        Outcome.REPEATED,
        Outcome.REPEATED,
        Outcome.ACCEPTED,
    ]
    assert await life.beat(name, 0, 1) == [Outcome.REPEATED] * 2
    async with estate.service.backbone.database.transaction() as connection:
        found = await store.lock(connection, [name])
    assert found[name].presence.recent == (at(0), at(1))
    assert life.metric(HEARTBEATS_METRIC) == {("accepted", ""): 2, ("repeated", ""): 4}


async def test_refused_heartbeats_are_named_and_the_others_count(estate: Estate) -> None:
    name, retired = await estate.new_camera(), await estate.new_camera()
    request = pb.RetireCameraRequest(idempotency_key=key(), camera_id=retired)
    await estate.stub.RetireCamera(request, timeout=DEADLINE)
    now = datetime.now(UTC)
    answer = await estate.send(
        [heartbeat(name, now), heartbeat("no\0body", now)],
        [
            heartbeat(retired, now),
            heartbeat(name, now + timedelta(seconds=30)),
            pb.Heartbeat(camera_id=name),
            heartbeat(name, datetime(1970, 1, 1, tzinfo=UTC)),
            heartbeat(name, now + timedelta(seconds=1)),
        ],
    )
    assert (answer.accepted, answer.refused) == (2, 5)
    assert [(one.index, one.field) for one in answer.problems] == [
        (1, "camera_id"),
        (2, "camera_id"),
        (3, "sent_at"),
        (4, "sent_at"),
        (5, "sent_at"),
    ]
    assert "expected one registered" in answer.problems[0].message
    assert "expected at most 5 s ahead of" in answer.problems[2].message
    known = await estate.get(name)
    assert known.last_heard_at.ToDatetime(UTC) == now + timedelta(seconds=1)


async def test_the_limits_of_a_call(estate: Estate) -> None:
    now = datetime.now(UTC)
    full = [heartbeat("nobody", now)] * 1000
    answer = await estate.send(*[full] * 10)
    assert (answer.refused, len(answer.problems)) == (10_000, 1000)
    for messages in ([[*full, full[0]]], [[*full[:1000]]] * 10 + [full[:1]]):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await estate.send(*messages)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        (problem,) = named(raised.value)
        assert problem.startswith("heartbeats: expected at most")


async def test_a_message_costs_the_same_number_of_statements_however_long(
    estate: Estate, life: Life
) -> None:
    class Counting:
        statements = 0

        def __init__(self, connection: Connection) -> None:
            self._connection = connection

        async def execute(self, *arguments: Any) -> Any:
            self.statements += 1
            return await self._connection.execute(*arguments)

    site_id = unique("site")
    names = [unique("bulk") for _ in range(1000)]
    await estate.register(*[camera(name, site_id) for name in names])
    async with estate.service.backbone.database.transaction() as connection:
        counting: Any = Counting(connection)
        results = await life.heartbeats.take(counting, [(name, at(0)) for name in names])
    assert {result.outcome for result in results} == {Outcome.ACCEPTED}
    assert counting.statements == 2


async def test_concurrent_calls_about_the_same_cameras_all_count(estate: Estate) -> None:
    site_id = unique("site")
    names = [unique("same") for _ in range(50)]
    await estate.register(*[camera(name, site_id) for name in names])
    now = datetime.now(UTC).replace(microsecond=0)
    chance = random.Random(1)

    def beats(seconds: int) -> list[pb.Heartbeat]:
        shuffled = chance.sample(names, len(names))
        return [heartbeat(name, now - timedelta(seconds=seconds)) for name in shuffled]

    answers = await asyncio.gather(*(estate.send(beats(second)) for second in range(12)))
    assert [answer.accepted for answer in answers] == [50] * 12
    rows = await estate.rows(
        "select distinct last_heard_at from camera_presence where camera_id = any(%s)", names
    )
    assert [row["last_heard_at"] for row in rows] == [now]


async def test_the_service_judges_by_itself(mesh: Mesh) -> None:
    every = {
        "CAMERAS_PRESENCE__CHECK_EVERY_SECONDS": "0.1",
        "CAMERAS_PRESENCE__OFFLINE_AFTER_SECONDS": "1",
    }
    async with running_estate(mesh, every, judging=True) as own:
        name = await own.new_camera()
        now = datetime.now(UTC)
        beats = [heartbeat(name, now + timedelta(seconds=second)) for second in (3.8, 3.9, 4)]
        await own.send(beats)

        async def told(status: pb.PresenceStatus.ValueType) -> bool:
            return (await own.get(name)).presence == status

        await eventually(lambda: told(pb.PRESENCE_STATUS_ONLINE))
        await eventually(lambda: told(pb.PRESENCE_STATUS_OFFLINE))
        assert topics(await own.told(name)) == [facts.CAMERA_ONLINE, facts.CAMERA_OFFLINE]
