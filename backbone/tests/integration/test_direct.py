"""Facts sent straight to the real broker: in order, together, and never confirmed in vain."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiokafka.client
import pytest
from aiokafka.partitioner import murmur2
from city_backbone.direct import Direct
from city_backbone.errors import BrokerUnavailable, TopicRefused, Transient
from city_backbone.events import OutgoingEvent, cloudevents_headers, event_id
from city_backbone.outbox import Record
from city_backbone.runtime import Backbone, Service, running
from city_backbone.testing import Mesh
from probe.bootstrap import ProbeSettings
from structlog.testing import capture_logs

from .proxy import Proxy, proxy
from .things import DOUBLED, Source, settings_of


async def nothing(backbone: Backbone[ProbeSettings]) -> Service:
    return Service()


@asynccontextmanager
async def direct(mesh: Mesh, **settings: str) -> AsyncIterator[Direct]:
    """Of a service that does nothing else; it drains at the end."""
    overrides = {f"PROBE_DIRECT__{name.upper()}": value for name, value in settings.items()}
    async with running(settings_of(mesh, overrides), nothing, "probe") as started:
        yield started.backbone.direct


def doubled(source: Source, key: object, count: int, topic: str = DOUBLED) -> OutgoingEvent:
    name = f"{source.run}-{key}"
    data = {"thing_id": name, "count": count}
    return OutgoingEvent(topic, name, event_id(name, count), datetime.now(UTC), data)


async def counts(
    direct: Direct, source: Source, environment: dict[str, str]
) -> dict[str, list[int]]:
    """Per key what is on the topic, in its order."""
    found: dict[str, list[int]] = {}
    for record in await source.records(environment, DOUBLED):
        data = await direct._codec.decode(DOUBLED, record.value)
        found.setdefault(record.key.decode().removeprefix(f"{source.run}-"), []).append(
            data["count"]
        )
    return found


async def test_concurrent_callers_share_few_writes_and_each_keeps_its_order(
    mesh: Mesh, source: Source, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with direct(mesh) as sender:
        writes: list[int] = []
        publish = sender._publisher.publish

        async def noted(records: list[Record]) -> Any:
            writes.append(len(records))
            return await publish(records)

        monkeypatch.setattr(sender._publisher, "publish", noted)

        async def call(key: int) -> None:
            for first in range(0, 20, 4):
                await sender.publish([doubled(source, key, first + n) for n in range(4)])

        await asyncio.gather(*map(call, range(60)))
        found = await counts(sender, source, environment)
    assert found == {str(key): list(range(20)) for key in range(60)}
    assert sum(writes) == 1200
    assert len(writes) < 100, "300 calls were to share their writes"


async def test_an_event_is_as_the_outbox_would_have_written_it(
    mesh: Mesh, source: Source, environment: dict[str, str]
) -> None:
    event = doubled(source, "a", 7)
    async with direct(mesh) as sender:
        await sender.publish([event])
        (record,) = await source.records(environment, DOUBLED)
        assert record.value == sender._codec.encode(DOUBLED, event.data)
    assert list(record.headers) == cloudevents_headers(event, "probe")
    assert record.key == event.key.encode()
    assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % 3


@pytest.fixture
async def broker(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Proxy]:
    """Stands between this test's aiokafka clients and the broker, whatever it advertises."""
    target = environment["PROBE_KAFKA__BOOTSTRAP_SERVERS"]
    create = aiokafka.client.create_conn
    async with proxy(target) as opened:

        async def through(host: str, port: int, **arguments: Any) -> Any:
            assert f"{host}:{port}" == target
            return await create("127.0.0.1", opened.port, **arguments)

        monkeypatch.setattr(aiokafka.client, "create_conn", through)
        yield opened


@pytest.mark.parametrize("connected", [False, True])
async def test_a_broker_that_is_away_is_said_in_time_and_is_found_again(
    mesh: Mesh, source: Source, environment: dict[str, str], broker: Proxy, connected: bool
) -> None:
    async with direct(mesh, deadline_seconds="1") as sender:
        if connected:
            await until_taken(sender, [doubled(source, "a", 0)])
        await broker.cut()
        with pytest.raises(BrokerUnavailable, match="within 1"):
            await sender.publish([doubled(source, "a", 1)])
        await broker.open()
        await until_taken(sender, [doubled(source, "a", 2)])
        await sender.publish([doubled(source, "a", 3)])
        found = (await counts(sender, source, environment))["a"]
    once = list(dict.fromkeys(found))
    assert [count for count in once if count != 1] == [*([0] if connected else []), 2, 3]
    assert once == sorted(once), "what was given up came behind what came after it"


async def until_taken(sender: Direct, events: list[OutgoingEvent]) -> None:
    """As a client does that gets UNAVAILABLE."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await sender.publish(events)
            except Transient:
                continue


async def test_a_refused_topic_is_its_callers_trouble_alone(
    mesh: Mesh, source: Source, environment: dict[str, str]
) -> None:
    others = ("sensors.reading-taken.v1", "probe.no-such-thing.v1")
    async with direct(mesh) as sender:
        for topic in others:
            sender._codec._writers[topic] = sender._codec._writers[DOUBLED]
        calls: Iterable[Any] = (
            sender.publish([doubled(source, "a", n, topic)])
            for n, topic in enumerate((DOUBLED, *others, DOUBLED))
        )
        first, *refused, last = await asyncio.gather(*calls, return_exceptions=True)
        assert first is None
        assert last is None
        for topic, answer in zip(others, refused, strict=True):
            assert isinstance(answer, TopicRefused)
            assert str(answer).startswith(f"{topic}: refused by the broker")
        assert await counts(sender, source, environment) == {"a": [0, 3]}


async def test_the_drain_loses_nothing_that_was_confirmed(
    mesh: Mesh, source: Source, environment: dict[str, str]
) -> None:
    confirmed: dict[int, list[int]] = {key: [] for key in range(20)}
    begun = asyncio.Event()

    async def call(sender: Direct, key: int) -> None:
        count = 0
        while True:
            await sender.publish([doubled(source, key, count)])
            confirmed[key].append(count)
            count += 1
            if count == 10:
                begun.set()

    with capture_logs() as logs:
        async with direct(mesh) as sender:
            calls = [asyncio.create_task(call(sender, key)) for key in confirmed]
            await begun.wait()
    assert "drain took too long" not in {line["event"] for line in logs}
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {BrokerUnavailable}
    found = await counts(sender, source, environment)
    for key, counted in confirmed.items():
        assert found[str(key)][: len(counted)] == counted
        assert len(found[str(key)]) <= len(counted) + 1
