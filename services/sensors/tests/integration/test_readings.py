"""From a published reading to its hour on the topics: once, whatever is sent again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from city.sensors.v1 import sensors_pb2 as pb
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.testing import eventually
from sensors import facts
from sensors.domain.cai import predicted_day, sub_index
from sensors.domain.pollutant import Pollutant, from_value
from sensors.domain.quality import RawMeasurement, RawReading
from sensors.ingest import Ingest
from sensors.processing import Processing

from .conftest import DEAD_LETTERS, Department, at, reading, unique

pytestmark = pytest.mark.asyncio(loop_scope="module")


def statuses(answer: pb.PublishReadingsResponse) -> tuple[int, int, int]:
    return answer.accepted, answer.duplicates, answer.refused


def reasons(answer: pb.PublishReadingsResponse) -> list[tuple[int, str, str]]:
    return [
        (
            result.index,
            pb.ReadingStatus.Name(result.status).removeprefix("READING_STATUS_"),
            pb.ProblemReason.Name(problem.reason).removeprefix("PROBLEM_REASON_"),
        )
        for result in answer.results
        for problem in result.problems
    ]


async def test_a_reading_becomes_a_mean_an_index_and_an_answer(department: Department) -> None:
    name = await department.register(unique("whole"))
    answer = await department.publish(reading(name, at(0), PM10=45, O3=0.1))
    assert statuses(answer) == (1, 0, 0)
    await department.processed(name)
    (taken,) = await department.events(facts.READING_TAKEN, station_id=name)
    assert (taken["key"], taken["measured_at"]) == (name, at(0))
    assert taken["ce_id"] == str(event_id(facts.READING_TAKEN, name, at(0).isoformat()))
    assert [one["quality"] for one in taken["measurements"]] == ["GOOD", "GOOD"]
    (mean,) = await department.events(facts.HOURLY_MEAN_COMPUTED, station_id=name)
    assert (mean["hour_end"], mean["completeness"], mean["revision"]) == (at(0), 1.0, 1)
    assert [(one["pollutant"], one["mean"]) for one in mean["means"]] == [
        ("PM10", 45.0),
        ("O3", 0.1),
    ]
    (assessed,) = await department.events(facts.AIR_QUALITY_ASSESSED, station_id=name)
    assert (assessed["index"], assessed["grade"], assessed["dominant_pollutant"]) == (
        124,
        "BAD",
        "O3",
    )
    known = await department.stub.GetAirQuality(pb.GetAirQualityRequest(station_id=name), timeout=9)
    assert known.air_quality.index == 124
    assert known.air_quality.hour_end.ToDatetime(UTC) == at(0)
    assert not known.air_quality.pollutants[0].HasField("index")


async def test_sent_again_it_is_a_duplicate_and_changes_nothing(department: Department) -> None:
    name = await department.register(unique("again"))
    sent = [reading(name, at(60 * hour), PM10=40 + hour) for hour in range(30)]
    assert statuses(await department.publish(*sent)) == (30, 0, 0)
    await department.processed(name)
    before = {topic: await department.events(topic, station_id=name) for topic in _STATION_TOPICS}
    assert statuses(await department.publish(*reversed(sent))) == (0, 30, 0)
    await department.processed(name)
    after = {topic: await department.events(topic, station_id=name) for topic in _STATION_TOPICS}
    assert after == before
    assert [len(events) for events in after.values()] == [30, 30, 30]


_STATION_TOPICS = (facts.READING_TAKEN, facts.HOURLY_MEAN_COMPUTED, facts.AIR_QUALITY_ASSESSED)


async def test_twice_in_one_message_and_with_other_values(department: Department) -> None:
    name = await department.register(unique("twice"))
    first = reading(name, at(0), PM10=40, O3=0.03)
    turned = reading(name, at(0), O3=0.03, PM10=40)
    other = reading(name, at(0), PM10=41)
    answer = await department.publish(first, turned, other)
    assert statuses(answer) == (1, 1, 1)
    assert reasons(answer) == [(2, "REFUSED", "CONFLICT")]
    answer = await department.publish(other, first)
    assert statuses(answer) == (0, 1, 1)
    assert reasons(answer) == [(0, "REFUSED", "CONFLICT")]


async def test_sent_by_many_at_once_it_is_accepted_once(department: Department) -> None:
    names = [await department.register(unique("many")) for _ in range(3)]
    sent = [reading(name, at(60 * hour), PM10=40) for hour in range(40) for name in names]
    answers = await asyncio.gather(
        *(department.publish(*(sent if turn % 2 else reversed(sent))) for turn in range(6))
    )
    assert sum(answer.accepted for answer in answers) == len(sent)
    assert sum(answer.duplicates for answer in answers) == 5 * len(sent)
    for name in names:
        await department.processed(name)
        assert len(await department.events(facts.READING_TAKEN, station_id=name)) == 40


async def test_a_stations_readings_are_told_in_the_order_they_were_accepted(
    department: Department,
) -> None:
    name = await department.register(unique("order"))
    backbone = department.service.backbone
    ingest = Ingest(backbone.outbox, backbone.meter, lambda: datetime.now(UTC))

    async def second_waits() -> object:
        return await department.one(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
            " and query like '%%station_contact%%' and pid <> pg_backend_pid()"
        )

    async with backbone.database.transaction() as connection:
        first = RawReading(name, at(60), (RawMeasurement(Pollutant.PM10, 1.0),))
        await ingest.take(connection, [first])
        second = asyncio.create_task(department.publish(reading(name, at(0), PM10=1)))
        await eventually(second_waits)
    assert statuses(await second) == (1, 0, 0)
    await department.processed(name)
    taken = await department.events(facts.READING_TAKEN, station_id=name)
    assert [event["measured_at"] for event in taken] == [at(60), at(0)]


async def test_bad_readings_are_refused_with_reasons_and_the_good_ones_go_on(
    department: Department,
) -> None:
    name = await department.register(unique("bad"))
    far = datetime.now(UTC) + timedelta(hours=1)
    answer = await department.publish(
        reading("nobody", at(0), PM10=1),
        reading(name, far, PM10=1),
        pb.Reading(
            station_id=name, measurements=[pb.Measurement(pollutant=pb.POLLUTANT_PM10, value=1)]
        ),
        reading(name, at(0)),
        reading(name, at(0), O3=30),
        reading(name, at(60), PM10=10, O3=-1, CO=1),
        reading(name, at(120), PM10=10),
    )
    assert statuses(answer) == (2, 0, 5)
    assert reasons(answer) == [
        (0, "REFUSED", "UNKNOWN_STATION"),
        (1, "REFUSED", "FUTURE_TIME"),
        (2, "REFUSED", "INVALID_TIME"),
        (3, "REFUSED", "NO_MEASUREMENT"),
        (4, "REFUSED", "UNIT_MIX_UP"),
        (5, "ACCEPTED", "OUT_OF_RANGE"),
        (5, "ACCEPTED", "UNKNOWN_POLLUTANT"),
    ]
    await department.processed(name)
    taken = await department.events(facts.READING_TAKEN, station_id=name)
    assert [[one["pollutant"] for one in event["measurements"]] for event in taken] == [
        ["PM10"],
        ["PM10"],
    ]


async def test_a_value_that_stands_still_is_flagged_and_still_counts(
    department: Department,
) -> None:
    name = await department.register(unique("stuck"))
    answer = await department.publish(
        *(reading(name, at(60 * hour), PM10=12) for hour in range(25))
    )
    assert statuses(answer) == (25, 0, 0)
    assert reasons(answer) == [(place, "ACCEPTED", "STUCK_VALUE") for place in (23, 24)]
    await department.processed(name)
    taken = await department.events(facts.READING_TAKEN, station_id=name)
    assert [event["measurements"][0]["quality"] for event in taken] == ["GOOD"] * 23 + ["STUCK"] * 2
    means = await department.events(facts.HOURLY_MEAN_COMPUTED, station_id=name)
    assert all(mean["means"][0]["valid"] for mean in means)


async def test_an_hour_closes_by_event_time_and_late_data_revises_it(
    department: Department,
) -> None:
    name = await department.register(unique("late"), interval_minutes=10)
    hour = [reading(name, at(10 * place), PM10=10 * place) for place in range(1, 7)]
    past = reading(name, at(75), PM10=5)
    await department.publish(*hour[:4], hour[5])
    await department.processed(name)
    assert await department.events(facts.HOURLY_MEAN_COMPUTED, station_id=name) == []
    await department.publish(past)
    await department.processed(name)
    (first,) = await department.events(facts.HOURLY_MEAN_COMPUTED, station_id=name)
    assert (first["readings"], first["revision"], first["means"][0]["mean"]) == (5, 1, 32.0)
    await department.publish(hour[4])
    await department.processed(name)
    _, second = await department.events(facts.HOURLY_MEAN_COMPUTED, station_id=name)
    assert (second["readings"], second["revision"], second["means"][0]["mean"]) == (6, 2, 35.0)
    assert second["mean_id"] == first["mean_id"]
    assert second["ce_id"] != first["ce_id"]


async def test_an_index_is_of_the_hours_before_too_whatever_the_batches(
    department: Department,
) -> None:
    """Of a particulate at least nine of the last twelve hours: the last comes alone."""
    name = await department.register(unique("history"))
    await department.publish(*(reading(name, at(60 * hour), PM10=45) for hour in range(8)))
    await department.processed(name)
    await department.publish(reading(name, at(60 * 8), PM10=45))
    await department.processed(name)
    assessed = await department.events(facts.AIR_QUALITY_ASSESSED, station_id=name)
    by_hour = {event["hour_end"]: event["index"] for event in assessed}
    day = predicted_day(Pollutant.PM10, [None] * 3 + [from_value(45)] * 9)
    assert day is not None
    expected = sub_index(Pollutant.PM10, day).index
    assert by_hour == {**dict.fromkeys(at(60 * hour) for hour in range(8)), at(480): expected}


async def test_an_hour_of_a_station_that_went_quiet_is_closed_by_the_clock(
    department: Department,
) -> None:
    name = await department.register(unique("quiet"), interval_minutes=10)
    await department.publish(reading(name, at(10), PM10=10))
    await department.processed(name)
    backbone = department.service.backbone
    later = datetime.now(UTC) + timedelta(minutes=16)
    processing = Processing(backbone.outbox, backbone.settings.lateness, lambda: later)
    async with backbone.database.transaction() as connection:
        await processing.close_due(connection)
    await department.processed(name)
    (mean,) = await department.events(facts.HOURLY_MEAN_COMPUTED, station_id=name)
    assert (mean["readings"], mean["expected_readings"]) == (1, 6)
    assert mean["means"][0]["valid"] is False
    assert await department.events(facts.AIR_QUALITY_ASSESSED, station_id=name) == []


async def test_an_event_of_no_station_goes_to_the_dead_letters_alone(
    department: Department,
) -> None:
    name = await department.register(unique("alive"))
    ghost = unique("ghost")
    backbone = department.service.backbone
    now = datetime.now(UTC)
    stray = OutgoingEvent(
        facts.READING_TAKEN,
        ghost,
        event_id("stray", ghost),
        now,
        {
            "station_id": ghost,
            "dong": "없음",
            "measured_at": at(0),
            "received_at": now,
            "interval_minutes": 60,
            "measurements": [],
        },
    )
    async with backbone.database.transaction() as connection:
        await backbone.outbox.add(connection, [stray])
    await department.publish(reading(name, at(0), PM10=10))
    await department.processed(name)
    assert len(await department.events(facts.HOURLY_MEAN_COMPUTED, station_id=name)) == 1

    async def buried() -> Sequence[dict[str, Any]]:
        return await department.events(DEAD_LETTERS, station_id=ghost)

    (dead,) = await eventually(buried)
    assert "is not registered" in dead["headers"]["dlt_reason"]


async def test_a_message_of_more_than_a_thousand_is_refused_whole(department: Department) -> None:
    name = await department.register(unique("much"))
    with pytest.raises(grpc.aio.AioRpcError, match="at most 1000 in a message") as raised:
        await department.publish(*[reading(name, at(0), PM10=1)] * 1001)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert statuses(await department.publish(reading(name, at(0), PM10=1))) == (1, 0, 0)


async def test_calls_over_the_bound_are_refused_at_once_and_taken_when_sent_again(
    department: Department,
) -> None:
    name = await department.register(unique("bound"))
    most, over = department.service.backbone.settings.max_calls, 3

    async def refused(hour: int) -> bool:
        try:
            await department.publish(reading(name, at(60 * hour), PM10=45))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            return True
        return False

    async with department.service.backbone.database.transaction() as connection:
        await connection.execute(
            "select from station_contact where station_id = %s for update", (name,)
        )
        calls = [asyncio.create_task(refused(hour)) for hour in range(most + over)]

        async def ended() -> bool:
            return sum(call.done() for call in calls) >= over

        await eventually(ended)
        assert sum(call.done() for call in calls) == over
    again = [hour for hour, call in enumerate(calls) if await call]
    assert len(again) == over
    for hour in again:
        assert not await refused(hour)
    await department.processed(name)
    taken = await department.events(facts.READING_TAKEN, station_id=name)
    assert sorted(one["measured_at"] for one in taken) == [at(60 * n) for n in range(most + over)]


async def test_streams_that_are_silent_between_messages_take_nobodys_place(
    department: Department,
) -> None:
    name = await department.register(unique("silent"))
    over = asyncio.Event()
    most = department.service.backbone.settings.max_calls

    async def stream(number: int) -> AsyncIterator[pb.PublishReadingsRequest]:
        yield pb.PublishReadingsRequest(readings=[reading(name, at(60 * number), PM10=45)])
        await over.wait()

    calls = [
        asyncio.ensure_future(department.stub.PublishReadings(stream(number), timeout=60))
        for number in range(most)
    ]

    async def taken() -> bool:
        events = await department.events(facts.READING_TAKEN, station_id=name)
        return len(events) == most

    await eventually(taken)
    answer = await department.publish(reading(name, at(60 * most), PM10=45))
    assert answer.accepted == 1
    over.set()
    assert sum([(await call).accepted for call in calls]) == most
