"""What a handler refuses, what it gets again, and what breaks its reader: on the real database,
registry and codec, without the broker in between."""

import dataclasses
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord
from city_backbone import registration
from city_backbone.codec import Codec
from city_backbone.database import Connection, migrate
from city_backbone.database import Database as Pool
from city_backbone.errors import RegistryUnavailable, Transient, Unprocessable
from city_backbone.events import Event, OutgoingEvent, cloudevents_headers
from city_backbone.outbox import unpack_headers
from city_backbone.registry import SchemaRegistry
from city_backbone.stream.parking import park
from city_backbone.stream.subscription import Refusal, Subscription
from city_backbone.stream.transport import Batch
from city_backbone.stream.worker import Worker
from city_backbone.testing import Mesh
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from .test_parking import register
from .things import DEAD, TOPIC, WRITER, Database, Source, framed, number, settings_of

Take = Callable[[Connection, Sequence[Event]], Awaitable[Sequence[Refusal] | None]]
Relevant = Callable[[Sequence[Event]], Sequence[Event]]


class Trial:
    """One worker with a handler of its own; it notes the counts it was given."""

    def __init__(self, pool: Pool, codec: Codec, source: Source, database: Database) -> None:
        self._pool, self._codec = pool, codec
        self.source, self.database = source, database
        self.given: list[list[int]] = []
        self.first = int.from_bytes(os.urandom(6))  # a dead letter is known by its offset
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def worker(
        self,
        take: Take,
        *,
        once: bool = True,
        compacted: bool = False,
        relevant: Relevant | None = None,
        urgent: Callable[[Sequence[Event]], bool] | None = None,
        pool: Pool | None = None,
    ) -> Worker:
        async def noted(connection: Connection, events: Sequence[Event]) -> Any:
            self.given.append([event.data["count"] for event in events])
            await connection.execute(
                "insert into effect (event_id, thing_id, count, place)"
                " select * from unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[])",
                (
                    [event.id for event in events],
                    [event.key for event in events],
                    [event.data["count"] for event in events],
                    ["" for _ in events],
                ),
            )
            return await take(connection, events)

        subscription = Subscription(
            TOPIC, noted, once=once, compacted=compacted, relevant=relevant, urgent=urgent
        )
        meter = self.meters.get_meter("trial")
        return Worker("probe", [subscription], self._codec, pool or self._pool, meter)

    def record(
        self,
        number: int,
        offset: int | None = None,
        schema: tuple[int, Any] | None = None,
        key: object = None,
    ) -> ConsumerRecord:
        identity, written = schema or (self.source.identity, WRITER)
        key = f"{self.source.run}-{number if key is None else key}"
        data = {"thing_id": key, "count": number, "note": ""}
        event = OutgoingEvent(TOPIC, key, self.source.id(number), datetime.now(UTC), data)
        return ConsumerRecord(
            TOPIC,
            0,
            self.first + (number if offset is None else offset),
            0,
            0,
            key.encode(),
            framed(identity, data, written),
            None,
            -1,
            -1,
            tuple(cloudevents_headers(event, "probe")),
        )

    def records(self, *numbers: int) -> list[ConsumerRecord]:
        return [self.record(number) for number in numbers]

    async def effects(self) -> list[int]:
        return [row["count"] for row in await self.source.effects(self.database)]

    async def dead(self) -> dict[int, str]:
        """Offsets with reasons of what is on its way to the dead-letter topic."""
        rows = await self.database.execute(
            "select headers from outbox where topic = %s and convert_from(key, 'UTF8') like %s"
            " order by id",
            (DEAD, f"{self.source.run}-%"),
        )
        found = [dict(unpack_headers(row["headers"])) for row in await rows.fetchall()]
        dead = {
            int(headers["dlt_offset"]) - self.first: headers["dlt_reason"].decode()
            for headers in found
        }
        assert len(dead) == len(found), "one was sent twice"
        return dead

    async def remembered(self, *numbers: int) -> int:
        return await number(
            self.database,
            "select count(*) from inbox where event_id = any(%s)",
            [self.source.id(one) for one in numbers],
        )

    def consumed(self) -> dict[str, int]:
        data = self.reader.get_metrics_data()
        assert data
        return {
            cast(Any, point).attributes["outcome"]: cast(Any, point).value
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "messaging.client.consumed.messages"
            for point in metric.data.data_points
        }


@pytest.fixture
async def trial(mesh: Mesh, source: Source, database: Database) -> AsyncIterator[Trial]:
    async with _opened(mesh) as (pool, codec):
        yield Trial(pool, codec, source, database)
    await database.execute("delete from outbox where topic = %s", (DEAD,))
    await database.execute(
        "delete from parked_event where convert_from(key, 'UTF8') like %s", (f"{source.run}-%",)
    )


@asynccontextmanager
async def _opened(mesh: Mesh) -> AsyncIterator[tuple[Pool, Codec]]:
    settings = settings_of(mesh)
    await migrate(settings.database, "probe")
    pool = Pool(settings.database)
    await pool.open()
    registry = SchemaRegistry(settings.registry, pool)
    await registry.open()
    codec = Codec(registration.load(settings.registration_file), registry)
    await codec.open()
    try:
        yield pool, codec
    finally:
        await registry.close()
        await pool.close()


async def all_of_it(connection: Connection, events: Sequence[Event]) -> None:
    pass


async def no_odd_ones(connection: Connection, events: Sequence[Event]) -> list[Refusal]:
    return [Refusal(event, "odd") for event in events if event.data["count"] % 2]


@pytest.mark.parametrize("once", [True, False])
async def test_what_is_refused_is_dead_lettered_and_the_others_stand(
    trial: Trial, once: bool
) -> None:
    await trial.worker(no_odd_ones, once=once).attempt(TOPIC, trial.records(*range(6)))
    assert trial.given == [list(range(6))], "the batch was not to be tried again"
    assert await trial.effects() == list(range(6))
    assert await trial.dead() == {1: "odd", 3: "odd", 5: "odd"}
    assert trial.consumed() == {"handled": 3, "dead": 3}


async def test_a_refusal_is_undone_with_its_transaction(trial: Trial) -> None:
    async def fails(connection: Connection, events: Sequence[Event]) -> None:
        raise Transient("not now")

    worker = trial.worker(fails)
    with pytest.raises(Transient):
        await worker.attempt(TOPIC, trial.records(0, 1))
    assert await trial.effects() == []
    assert await trial.dead() == {}


async def test_once_gives_an_event_once_but_again_when_it_was_refused(trial: Trial) -> None:
    """A refused event may be sent again from the dead-letter topic, once its cause is gone."""
    await trial.worker(no_odd_ones).attempt(TOPIC, trial.records(0, 1))
    assert await trial.remembered(0, 1) == 1
    redriven = [trial.record(0, offset=10), trial.record(1, offset=11)]
    await trial.worker(all_of_it).attempt(TOPIC, redriven)
    assert trial.given == [[0, 1], [1]]


async def test_not_once_leaves_the_inbox_alone_and_gives_an_event_again(trial: Trial) -> None:
    worker = trial.worker(no_odd_ones, once=False)
    for _ in range(2):
        await worker.attempt(TOPIC, trial.records(0, 1, 2, 2))
    assert trial.given == [[0, 1, 2, 2]] * 2
    assert await trial.remembered(0, 1, 2) == 0
    assert await trial.dead() == {1: "odd"}, "though it was refused twice"


@pytest.mark.parametrize("compacted", [True, False])
async def test_a_tombstone_is_passed_over_where_they_belong(trial: Trial, compacted: bool) -> None:
    first, second, last = trial.records(0, 1, 2)
    batch = [first, dataclasses.replace(second, value=None), last]
    await trial.worker(all_of_it, compacted=compacted).attempt(TOPIC, batch)
    assert await trial.effects() == [0, 2]
    assert set(await trial.dead()) == (set() if compacted else {1})


def odd_ones(events: Sequence[Event]) -> Sequence[Event]:
    return [event for event in events if event.data["count"] % 2]


async def test_what_is_not_relevant_is_handled_and_not_given(trial: Trial) -> None:
    bad = dataclasses.replace(trial.record(4), value=b"no avro")
    worker = trial.worker(all_of_it, relevant=odd_ones)
    await worker.attempt(TOPIC, [*trial.records(0, 1, 2, 3), bad])
    assert trial.given == [[1, 3]]
    assert await trial.effects() == [1, 3]
    assert set(await trial.dead()) == {4}
    assert trial.consumed() == {"handled": 4, "dead": 1}
    assert await trial.remembered(0, 1, 2, 3) == 2


async def test_a_batch_without_a_relevant_event_does_not_ask_the_database(
    trial: Trial, mesh: Mesh
) -> None:
    closed = Pool(settings_of(mesh).database)
    worker = trial.worker(all_of_it, relevant=odd_ones, pool=closed)
    await worker.attempt(TOPIC, trial.records(0, 2))
    assert trial.consumed() == {"handled": 2}


async def test_what_is_not_relevant_counts_once_though_the_others_are_tried_again(
    trial: Trial,
) -> None:
    async def not_yet(connection: Connection, events: Sequence[Event]) -> None:
        if len(trial.given) < 3:
            raise Transient("not now")

    worker = trial.worker(not_yet, relevant=odd_ones)
    await worker.handle(TOPIC, 0, Batch(trial.records(0, 1, 2), 0, 3))
    assert trial.given == [[1]] * 3
    assert trial.consumed() == {"handled": 3}


async def test_what_is_urgent_is_judged_by_its_content_and_what_cannot_be_read_is(
    trial: Trial,
) -> None:
    worker = trial.worker(all_of_it, urgent=lambda events: bool(odd_ones(events)))
    assert worker.urgent(TOPIC, trial.records(0)), "nothing is known of the schema yet"
    await worker.attempt(TOPIC, trial.records(0))
    assert not worker.urgent(TOPIC, trial.records(2, 4))
    assert worker.urgent(TOPIC, trial.records(2, 3))
    assert worker.urgent(TOPIC, [dataclasses.replace(trial.record(2), value=b"no avro")])
    assert not trial.worker(all_of_it).urgent(TOPIC, trial.records(1)), "nobody says what is"
    assert trial.given == [[0]]


async def test_what_cannot_be_judged_is_urgent_and_relevant_and_its_fault_is_of_one_event(
    trial: Trial,
) -> None:
    def judge(events: Sequence[Event]) -> Sequence[Event]:
        return [event for event in events if 6 // event.data["count"]]

    async def strict(connection: Connection, events: Sequence[Event]) -> None:
        judge(events)

    worker = trial.worker(strict, relevant=judge, urgent=lambda events: bool(judge(events)))
    await worker.handle(TOPIC, 0, Batch(trial.records(1, 0, 2), 0, 3))
    assert await trial.effects() == [1, 2]
    assert set(await trial.dead()) == {0}
    assert worker.urgent(TOPIC, trial.records(7, 0))
    assert not worker.urgent(TOPIC, trial.records(7))


async def test_what_only_relevant_cannot_judge_is_handled(trial: Trial) -> None:
    def judge(events: Sequence[Event]) -> Sequence[Event]:
        raise ZeroDivisionError

    await trial.worker(all_of_it, relevant=judge).attempt(TOPIC, trial.records(0, 1))
    assert await trial.effects() == [0, 1]
    assert not await trial.dead()
    assert trial.consumed() == {"handled": 2}


async def test_a_handler_that_raises_and_refuses_does_both_event_by_event(trial: Trial) -> None:
    async def picky(connection: Connection, events: Sequence[Event]) -> list[Refusal]:
        if any(event.data["count"] == 2 for event in events):
            raise Unprocessable("two")
        return await no_odd_ones(connection, events)

    await trial.worker(picky).attempt(TOPIC, trial.records(*range(4)))
    assert trial.given == [[0, 1, 2, 3], [0], [1], [2], [3]]
    assert await trial.effects() == [0, 1, 3]
    assert await trial.dead() == {1: "odd", 2: "Unprocessable: two", 3: "odd"}
    assert trial.consumed() == {"handled": 1, "dead": 3}


async def test_a_schema_that_breaks_its_reader_takes_its_event_alone(
    trial: Trial, environment: dict[str, str]
) -> None:
    """PostgreSQL cannot keep U+0000, so that this schema, good Avro, cannot be learned."""
    breaking = {**WRITER, "doc": f"\0 {trial.source.run}"}
    assert "\\u0000" in json.dumps(breaking)
    schema = (await register(environment, breaking), breaking)
    records = [trial.record(0), trial.record(1, schema=schema), trial.record(2)]
    await trial.worker(all_of_it).attempt(TOPIC, records)
    assert trial.given == [[0, 2]]
    (reason,) = (await trial.dead()).values()
    assert reason.startswith("UntranslatableCharacter")
    assert trial.consumed() == {"handled": 2, "dead": 1}


@pytest.mark.parametrize("in_one_go", [1, 250])
async def test_behind_an_unknown_schema_its_key_waits_however_the_batch_is_decoded(
    trial: Trial, in_one_go: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(registry: SchemaRegistry, schema_id: int) -> None:
        raise RegistryUnavailable("away")

    await trial.worker(all_of_it).attempt(TOPIC, [trial.record(9, key="seen")])
    monkeypatch.setattr(SchemaRegistry, "schema", away)
    monkeypatch.setattr("city_backbone.stream.worker._IN_ONE_GO", in_one_go)
    known = [trial.record(place, key="held") for place in (1, 2)]
    other = b"\x00" + (2**31 - 1).to_bytes(4, "big") + b"\x02"
    unknown = dataclasses.replace(trial.record(0, key="held"), value=other)
    await trial.worker(all_of_it).attempt(TOPIC, [unknown, *known])
    rows = await trial.database.execute(
        "select \"offset\" from parked_event where convert_from(key, 'UTF8') = %s order by id",
        (f"{trial.source.run}-held",),
    )
    assert [row["offset"] - trial.first for row in await rows.fetchall()] == [0, 1, 2]


async def test_behind_a_parked_event_its_key_waits_in_order_though_the_batch_fails(
    trial: Trial,
) -> None:
    async def picky(connection: Connection, events: Sequence[Event]) -> None:
        if any(event.data["count"] == 3 for event in events):
            raise Unprocessable("three")

    async with trial.database.transaction():
        await park(trial.database, TOPIC, [trial.record(0, key="held")], "trial")
    bad = dataclasses.replace(trial.record(4, key="held"), value=b"no avro")
    records = [
        trial.record(1, key="held"),
        trial.record(2),
        trial.record(3),
        bad,
        trial.record(5, key="held"),
    ]
    await trial.worker(picky).attempt(TOPIC, records)
    assert trial.given == [[2, 3], [2], [3]]
    assert await trial.effects() == [2]
    assert await trial.dead() == {3: "Unprocessable: three"}
    assert trial.consumed() == {"handled": 1, "dead": 1, "parked": 3}
    rows = await trial.database.execute(
        "select \"offset\" from parked_event where convert_from(key, 'UTF8') = %s order by id",
        (f"{trial.source.run}-held",),
    )
    parked = [row["offset"] - trial.first for row in await rows.fetchall()]
    assert [place for place in parked if place != 4] == [0, 1, 5]
    assert 4 in parked, "poison has no effect, so its place among the others does not matter"


def sampled(trace_id: int) -> trace.NonRecordingSpan:
    flags = trace.TraceFlags(0b11)  # as OpenTelemetry sets them: sampled, and a random trace id
    return trace.NonRecordingSpan(trace.SpanContext(trace_id, 0x119, False, flags))


async def test_the_trace_of_one_sampled_producer_goes_on_and_those_of_several_do_not(
    trial: Trial,
) -> None:
    seen: list[int] = []

    async def look(connection: Connection, events: Sequence[Event]) -> None:
        seen.append(trace.get_current_span().get_span_context().trace_id)

    with trace.use_span(sampled(0x112)):
        one = trial.record(0)
    with trace.use_span(sampled(0x113)):
        other = trial.record(1)
    worker = trial.worker(look)
    for records in ([one, trial.record(2)], [trial.record(3), other, trial.record(4, key=0), one]):
        await worker.handle(TOPIC, 0, Batch(records, 0, len(records)))
    assert seen == [0x112, 0]


async def test_what_has_no_effect_is_no_part_of_a_trace(trial: Trial) -> None:
    seen: list[int] = []

    async def look(connection: Connection, events: Sequence[Event]) -> None:
        seen.append(trace.get_current_span().get_span_context().trace_id)

    def odd(events: Sequence[Event]) -> Sequence[Event]:
        return [event for event in events if event.data["count"] % 2]

    records = []
    for place in (0, 1):
        with trace.use_span(sampled(0x112 + place)):
            records.append(trial.record(place))
    await trial.worker(look, relevant=odd).handle(TOPIC, 0, Batch(records, 0, len(records)))
    assert seen == [0x113]
