"""Sessions on the real parts: all is stored, told of and assessed once, however it is cut off."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import grpc.aio
import pytest
import pytest_asyncio
from city.health.v1 import kiosk_pb2 as pb
from city_backbone.testing import Mesh
from health.clock import utc_now
from health.measuring.measurement import Code, Measurement
from health.messages import timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .kiosks_world import Enrolled, Line, World, begin, end, measured, opened, reading

pytestmark = pytest.mark.asyncio(loop_scope="module")

BP, SPO2, TEMPERATURE, PULSE, BMI, GLUCOSE = Code
LONG_AGO = utc_now() - timedelta(days=400)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    async with opened(mesh) as world:
        yield world


def visit() -> list[Measurement]:
    """What somebody is measured at one visit; the fourth reading is acute."""
    return [
        reading(BP, 151.5, diastolic=92),
        reading(GLUCOSE, 111, fasting=True),
        reading(PULSE, 95),
        reading(SPO2, 90.5),
        reading(TEMPERATURE, 36.6),
    ]


RULES = [
    "blood-pressure-stage-1",
    "glucose-fasting-100",
    "heart-rate-1",
    "news2",
    "news2",
]


async def test_a_session_from_begin_to_end(world: World) -> None:
    kiosk_id, person, session_id, taken = await world.kiosk(), await world.enrol(), uuid4(), visit()
    answers = await world.session(kiosk_id, person.token, taken, session_id)
    assert [one.stored_sequence for one in answers] == [0, 1, 2, 3, 4, 5, 5]
    assert [one.ended for one in answers] == [False] * 6 + [True]
    assert [one.HasField("assessment") for one in answers] == [False, *[True] * 5, False]
    assert [one.assessment.rule_id for one in answers[1:6]] == RULES
    assert [one.assessment.acute for one in answers[1:6]] == [False] * 3 + [True] * 2
    assert [one.assessment.acute_score for one in answers[1:6]] == [0, 0, 1, 4, 4]
    assert [one.assessment.advice for one in answers[1:6]] == [
        pb.ADVICE_LEVEL_CONSULT,
        *[pb.ADVICE_LEVEL_ATTENTION] * 2,
        *[pb.ADVICE_LEVEL_CONSULT_SOON] * 2,
    ]
    assert all("진단이 아닙니다" in one.assessment.text for one in answers[1:6])
    assert await world.kept(session_id, person.box) == list(enumerate(taken, 1))
    assert await world.told(person) == taken
    assert len(await world.cases(session_id)) == 1


async def test_a_session_without_a_measurement(world: World) -> None:
    answers = await world.session(await world.kiosk(), (await world.enrol()).token, [], uuid4())
    assert [(one.stored_sequence, one.ended) for one in answers] == [(0, False), (0, True)]


async def test_begin_and_end_again_are_answered_and_change_nothing(world: World) -> None:
    kiosk_id, person, session_id, taken = await world.kiosk(), await world.enrol(), uuid4(), visit()
    await world.session(kiosk_id, person.token, taken, session_id)
    before = await world.rows("select * from kiosk_session where session_id = %s", session_id)
    line = world.line()
    again = await line.say(
        begin(session_id, kiosk_id, person.token, {"began_at": timestamp(LONG_AGO)})
    )
    assert (again.stored_sequence, again.ended) == (5, True)
    for sequence in (1, 5):
        repeated = await line.say(measured(sequence, reading(SPO2, 51, ago=timedelta(days=300))))
        assert (repeated.stored_sequence, repeated.ended) == (5, True)
        assert not repeated.HasField("assessment")
    last = await line.say(end(5, LONG_AGO))
    assert (last.stored_sequence, last.ended) == (5, True)
    await line.close()
    assert before == await world.rows(
        "select * from kiosk_session where session_id = %s", session_id
    )
    assert await world.kept(session_id, person.box) == list(enumerate(taken, 1))


async def test_what_is_missing_is_asked_for_at_the_end(world: World) -> None:
    kiosk_id, person, session_id, taken = await world.kiosk(), await world.enrol(), uuid4(), visit()
    line = world.line()
    await line.say(begin(session_id, kiosk_id, person.token))
    await line.say(measured(1, taken[0]))
    missing = await line.say(end(3))
    assert (missing.stored_sequence, missing.ended) == (1, False)
    for sequence in (2, 3):
        await line.say(measured(sequence, taken[sequence - 1]))
    assert (await line.say(end(3))).ended
    await line.close()
    assert await world.kept(session_id, person.box) == list(enumerate(taken[:3], 1))


@pytest.mark.parametrize("days", [0.5, 29])
async def test_an_offline_kiosk_delivers_late_and_once(world: World, days: float) -> None:
    kiosk_id, person, session_id = await world.kiosk(), await world.enrol(), uuid4()
    ago = timedelta(days=days)
    taken = [reading(SPO2, 88, ago=ago), reading(BP, 118, diastolic=70, ago=ago)]
    for again in range(3):
        line = world.line()
        began = begin(session_id, kiosk_id, person.token, {"began_at": timestamp(utc_now() - ago)})
        answer = await line.say(began)
        assert answer.stored_sequence == (2 if again else 0)
        for sequence, one in enumerate(taken, 1):
            answer = await line.say(measured(sequence, one))
            assert answer.HasField("assessment") == (not again)
            if not again:
                assert answer.assessment.advice == pb.ADVICE_LEVEL_CONSULT_SOON
                assert (answer.assessment.acute_score, answer.assessment.acute) == (3, False)
        assert (await line.say(end(2, utc_now() - ago))).ended
        await line.close()
    assert await world.kept(session_id, person.box) == list(enumerate(taken, 1))
    assert await world.told(person) == taken
    assert await world.cases(session_id) == []


async def test_of_two_streams_at_once_only_one_stores_each(world: World) -> None:
    kiosk_id, person, session_id = await world.kiosk(), await world.enrol(), uuid4()
    taken = visit() * 2

    async def one_stream() -> list[bool]:
        line = world.line()
        await line.say(begin(session_id, kiosk_id, person.token))
        stored = []
        for sequence, one in enumerate(taken, 1):
            answer = await line.say(measured(sequence, one))
            assert answer.stored_sequence >= sequence
            stored.append(answer.HasField("assessment"))
        assert (await line.say(end(len(taken)))).ended
        await line.close()
        return stored

    streams = await asyncio.gather(*(one_stream() for _ in range(4)))
    assert [sum(one) for one in zip(*streams, strict=True)] == [1] * len(taken)
    assert await world.kept(session_id, person.box) == list(enumerate(taken, 1))
    assert len(await world.told(person)) == len(taken)
    [case] = await world.cases(session_id)
    assert len({one["ce_id"] for one in case["events"]}) == 1


@pytest_asyncio.fixture(loop_scope="module")
async def failing(world: World) -> AsyncIterator[UUID]:
    """A session whose first measurement the database does not count."""
    session_id = uuid4()
    await world.execute(
        "create function fail() returns trigger language plpgsql"
        " as $$ begin raise exception 'not now'; end $$",
        f"create trigger fail before update on kiosk_session for each row"
        f" when (new.session_id = '{session_id}') execute function fail()",
    )
    yield session_id
    await world.execute("drop function if exists fail() cascade")


async def test_a_measurement_is_stored_and_told_of_as_a_whole_or_not_at_all(
    world: World, failing: UUID
) -> None:
    kiosk_id, person, taken = await world.kiosk(), await world.enrol(), [reading(SPO2, 88)]
    assert (
        await world.refused(begin(failing, kiosk_id, person.token), measured(1, taken[0]))
        == "INTERNAL"
    )
    assert await world.kept(failing, person.box) == []
    assert await world.told(person) == []
    assert await world.cases(failing) == []
    await world.execute("drop function fail() cascade")
    answers = await world.session(kiosk_id, person.token, taken, failing)
    assert answers[1].assessment.acute
    assert await world.kept(failing, person.box) == [(1, taken[0])]
    assert await world.told(person) == taken
    assert len(await world.cases(failing)) == 1


class Broken(Exception):
    """The stream was cut."""


class Wire:
    """A stream that is cut at its message number `at`, from 0: before it is sent, when it is
    sent, or when it is answered and the kiosk has not heard it."""

    def __init__(self, line: Line, at: int, how: str) -> None:
        self._line = line
        self._left = at
        self._how = how

    async def say(self, request: pb.SessionRequest) -> pb.SessionResponse:
        self._left -= 1
        if self._left != -1:
            return await self._line.say(request)
        if self._how == "sent":
            self._line.send(request)
            await asyncio.sleep(0)
        if self._how == "answered":
            await self._line.say(request)
        self._line.cut()
        raise Broken


async def deliver(
    world: World,
    kiosk_id: str,
    person: Enrolled,
    session_id: UUID,
    taken: Sequence[Measurement],
    cuts: Iterable[tuple[int, str]],
) -> dict[int, pb.Assessment]:
    """As a kiosk does: a stream that is cut is opened again, and the rest is sent. Returns what
    the kiosk heard."""
    heard: dict[int, pb.Assessment] = {}
    for at, how in (*cuts, (-2, "")):
        line = world.line()
        wire = Wire(line, at, how)
        try:
            answer = await wire.say(begin(session_id, kiosk_id, person.token))
            for sequence in range(answer.stored_sequence + 1, len(taken) + 1):
                answer = await wire.say(measured(sequence, taken[sequence - 1]))
                if answer.HasField("assessment"):
                    heard[sequence] = answer.assessment
            assert (await wire.say(end(len(taken)))).ended
        except Broken:
            continue
        await line.close()
    return heard


@given(
    cuts=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["before", "sent", "answered"])),
        min_size=1,
        max_size=4,
    )
)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_wherever_it_is_cut_it_comes_to_the_same(
    world: World, cuts: list[tuple[int, str]]
) -> None:
    kiosk_id, taken = await world.kiosk(), visit()
    whole, broken = await world.enrol(), await world.enrol()
    whole_id, broken_id = uuid4(), uuid4()
    answers = await world.session(kiosk_id, whole.token, taken, whole_id)
    heard = await deliver(world, kiosk_id, broken, broken_id, taken, cuts)
    assert (
        heard.items()
        <= {sequence: one.assessment for sequence, one in enumerate(answers[1:6], 1)}.items()
    )
    assert await world.kept(broken_id, broken.box) == await world.kept(whole_id, whole.box)
    assert await world.told(broken) == await world.told(whole) == taken
    cases = [await world.cases(session_id) for session_id in (whole_id, broken_id)]
    assert [[one["score"] for one in case] for case in cases] == [[4], [4]]
    assert [[len(one["events"]) for one in case] for case in cases] == [[1], [1]]
    ends = await world.rows(
        "select stored_sequence, ended_at is not null as ended from kiosk_session"
        " where session_id = any(%s)",
        [whole_id, broken_id],
    )
    assert ends == [{"stored_sequence": 5, "ended": True}] * 2


async def test_a_broken_stream_is_no_error_of_ours(world: World) -> None:
    line = world.line()
    await line.say(begin(uuid4(), await world.kiosk(), (await world.enrol()).token))
    line.cut()
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await line.hear()
