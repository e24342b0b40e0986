"""Who waits for the broker is told what became of his own events, and within his time."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import aiokafka.errors
import pytest
from city_backbone.codec import Codec
from city_backbone.direct import Direct
from city_backbone.errors import (
    BrokerUnavailable,
    InvalidEvent,
    Overloaded,
    TopicRefused,
    Transient,
)
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.outbox import Record
from city_backbone.publisher import Publisher
from city_backbone.settings import DirectSettings
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

TOPIC = "trial.thing-seen.v1"


class Text:
    """Stands for the codec: what it encodes is the name."""

    def encode(self, topic: str, data: Mapping[str, Any]) -> bytes:
        if not data["name"]:
            raise InvalidEvent(f"{topic}: name: expected a name")
        return str(data["name"]).encode()


class Broker:
    """Stands for the publisher: takes batches while it is `open`ed and not `held`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.errors: dict[str, Exception] = {}
        self.away: Exception | None = None
        self.released = asyncio.Event()
        self.released.set()
        self.entered = asyncio.Event()
        self.connections = 0
        self.tried = asyncio.Event()

    async def open(self) -> None:
        self.tried.set()
        if self.away:
            raise self.away
        self.connections += 1

    async def close(self) -> None:
        pass

    async def publish(self, records: Sequence[Record]) -> list[Exception | None]:
        self.entered.set()
        await self.released.wait()
        names = [(record.value or b"").decode() for record in records]
        self.batches.append(names)
        return [
            self.errors.get(name) or self.errors.get(r.topic)
            for name, r in zip(names, records, strict=True)
        ]

    @property
    def taken(self) -> list[str]:
        return [name for batch in self.batches for name in batch]


def event(name: object, topic: str = TOPIC) -> OutgoingEvent:
    return OutgoingEvent(topic, "key", event_id(name), datetime.now(UTC), {"name": str(name)})


class Trial:
    """A Direct with its sending loop, a broker, and what it has measured."""

    def __init__(self, **settings: Any) -> None:
        self.broker = Broker()
        self.reader = InMemoryMetricReader()
        self.direct = Direct(
            "trial",
            cast(Codec, Text()),
            cast(Publisher, self.broker),
            DirectSettings(**settings),
            MeterProvider([self.reader]).get_meter("trial"),
        )
        self.stopping = asyncio.Event()

    async def publish(self, *names: object, yields: bool = False) -> None:
        await self.direct.publish([event(name) for name in names], yields=yields)

    def metric(self, name: str) -> Any:
        data = self.reader.get_metrics_data()
        assert data
        return next(
            metric.data.data_points[0]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        )


async def settled() -> None:
    """Until every task that could go on has done so."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def sending(**settings: Any) -> AsyncIterator[Trial]:
    trial = Trial(**settings)
    task = asyncio.create_task(trial.direct.run(trial.stopping))
    try:
        yield trial
    finally:
        trial.stopping.set()
        trial.broker.released.set()
        await asyncio.wait_for(task, 10)


async def test_all_who_wait_go_out_together() -> None:
    async with sending() as trial:
        await asyncio.gather(*(trial.publish(n, f"{n}'") for n in range(50)))
        assert trial.broker.batches == [[name for n in range(50) for name in (str(n), f"{n}'")]]
        assert trial.metric("messaging.client.sent.messages").value == 100
        assert trial.metric("messaging.client.operation.duration").count == 50


async def test_a_call_larger_than_batch_and_queue_goes_out_in_its_order() -> None:
    async with sending(queue=3, batch=2) as trial:
        await trial.publish(*range(11))
        assert trial.broker.taken == [str(n) for n in range(11)]
        assert max(map(len, trial.broker.batches)) == 2


async def test_nothing_is_confirmed_before_the_broker_has_it() -> None:
    async with sending() as trial:
        trial.broker.released.clear()
        call = asyncio.create_task(trial.publish("a", "b"))
        await trial.broker.entered.wait()
        assert not call.done()
        trial.broker.released.set()
        await call


async def test_one_that_fits_no_schema_stops_its_call_and_nothing_of_it_is_sent() -> None:
    async with sending() as trial:
        with pytest.raises(InvalidEvent, match="expected a name"):
            await trial.publish("a", "")
        await trial.publish("b")
        assert trial.broker.taken == ["b"]


async def test_one_that_is_too_large_fails_its_call_alone() -> None:
    async with sending() as trial:
        trial.broker.errors["b"] = aiokafka.errors.MessageSizeTooLargeError("too large")
        answers = await asyncio.gather(
            *(trial.publish(name) for name in "abc"), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [type(None), InvalidEvent, type(None)]
        assert trial.broker.connections == 1


@pytest.mark.parametrize(
    "error",
    [
        aiokafka.errors.TopicAuthorizationFailedError("x"),
        aiokafka.errors.UnknownTopicOrPartitionError("x"),
    ],
)
async def test_a_refused_topic_fails_its_callers_and_is_not_asked_for_again_at_once(
    error: Exception,
) -> None:
    async with sending() as trial:
        trial.broker.errors["other"] = error
        refused = [event("x", "other")]
        answers = await asyncio.gather(
            trial.publish("a"), trial.direct.publish(refused), return_exceptions=True
        )
        assert answers[0] is None
        assert isinstance(answers[1], TopicRefused)
        assert str(answers[1]).startswith("other: refused by the broker")
        with pytest.raises(TopicRefused):
            await trial.direct.publish(refused)
        await trial.publish("b")
        assert trial.broker.taken == ["a", "x", "b"]
        assert trial.broker.connections == 1


async def test_another_failure_is_transient_and_the_connection_is_made_anew() -> None:
    async with sending() as trial:
        trial.broker.errors["b"] = aiokafka.errors.NotLeaderForPartitionError("x")
        answers = await asyncio.gather(
            trial.publish("a"), trial.publish("b"), return_exceptions=True
        )
        assert answers[0] is None
        assert isinstance(answers[1], Transient)
        await trial.publish("c")
        assert trial.broker.connections == 2


async def test_a_broker_that_is_away_is_waited_for_within_the_deadline() -> None:
    async with sending(deadline_seconds=30) as trial:
        trial.broker.away = aiokafka.errors.KafkaConnectionError("away")
        call = asyncio.create_task(trial.publish("a"))
        await trial.broker.tried.wait()
        trial.broker.away = None
        await call
        assert trial.broker.taken == ["a"]


async def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    async with sending(deadline_seconds=0.5) as trial:
        trial.broker.away = aiokafka.errors.KafkaConnectionError("away")
        with pytest.raises(BrokerUnavailable, match=r"within 0\.5 s"):
            await trial.publish("a", "b")
        trial.broker.away = None
        await trial.publish("c")
        assert trial.broker.taken == ["c"]


async def test_a_full_queue_makes_callers_wait_within_their_deadline() -> None:
    async with sending(queue=2, deadline_seconds=0.3) as trial:
        trial.broker.released.clear()
        first = asyncio.create_task(trial.publish("a"))
        await trial.broker.entered.wait()
        calls = [asyncio.create_task(trial.publish(n)) for n in range(5)]
        answers = await asyncio.gather(first, *calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [BrokerUnavailable] * 6
        assert trial.metric("city.direct.waiting").value <= 2
        trial.broker.released.set()
        await trial.publish("z")
        assert trial.broker.taken == ["a", "z"]


async def test_what_yields_goes_out_behind_what_came_later_each_in_its_order() -> None:
    async with sending(batch=3) as trial:
        trial.broker.released.clear()
        calls = [asyncio.create_task(trial.publish("first"))]
        await trial.broker.entered.wait()
        for names, yields in (("ab", True), ("c", True), ("xy", False), ("z", False)):
            calls.append(asyncio.create_task(trial.publish(*names, yields=yields)))
        await settled()
        trial.broker.released.set()
        await asyncio.gather(*calls)
        assert trial.broker.batches == [["first"], ["x", "y", "z"], ["a", "b", "c"]]


async def test_of_what_yields_only_so_much_waits_and_others_are_let_in() -> None:
    async with sending(yielding=5) as trial:
        trial.broker.released.clear()
        waiting = [asyncio.create_task(trial.publish(*"abc", yields=True))]
        await trial.broker.entered.wait()
        with pytest.raises(Overloaded, match=r"3 events wait.*at most 5"):
            await trial.publish(*"def", yields=True)
        waiting.append(asyncio.create_task(trial.publish(*"gh", yields=True)))
        waiting.append(asyncio.create_task(trial.publish(*range(9))))
        await settled()
        with pytest.raises(Overloaded, match="5 events wait"):
            await trial.publish("i", yields=True)
        trial.broker.released.set()
        await asyncio.gather(*waiting)
        await trial.publish(*"def", yields=True)
        assert sorted(trial.broker.taken) == sorted([*"abcghdef", *map(str, range(9))])


async def test_a_call_that_yields_may_be_larger_by_itself() -> None:
    async with sending(yielding=2) as trial:
        await trial.publish(*"abcd", yields=True)
        assert trial.broker.taken == list("abcd")


@pytest.mark.parametrize("end", ["error", "deadline", "gone"])
async def test_what_yields_makes_room_however_it_ends(end: str) -> None:
    async with sending(yielding=1, deadline_seconds=0.2 if end == "deadline" else 20) as trial:
        trial.broker.released.clear()
        if end == "error":
            trial.broker.errors["a"] = aiokafka.errors.NotLeaderForPartitionError("x")
        call = asyncio.create_task(trial.publish("a", yields=True))
        await trial.broker.entered.wait()
        with pytest.raises(Overloaded):
            await trial.publish("b", yields=True)
        if end == "error":
            trial.broker.released.set()
        if end == "gone":
            call.cancel()
        await asyncio.wait([call])
        trial.broker.released.set()
        await trial.publish("b", yields=True)
        assert trial.broker.taken[-1] == "b"


async def test_at_the_stop_what_is_waited_for_is_still_sent_and_nothing_is_taken_after() -> None:
    async with sending(batch=1) as trial:
        trial.broker.released.clear()
        calls = [asyncio.create_task(trial.publish(n)) for n in range(5)]
        await trial.broker.entered.wait()
        trial.stopping.set()
        trial.broker.released.set()
        await asyncio.gather(*calls)
    assert trial.broker.taken == [str(n) for n in range(5)]
    with pytest.raises(BrokerUnavailable, match="stopping"):
        await trial.publish("late")


async def test_no_events_are_confirmed_at_once() -> None:
    await Trial().publish()
