"""FastStream with the service's guarantees: a batch subscriber whose states, positions and outbox
are in PostgreSQL, in one transaction, and whose batch is acknowledged when what it tells is
confirmed. A record that can never be handled goes to the department's dead letters, by the same
outbox, and the rest of its batch goes on. Runs in a virtual environment of its own, because the
project does not need FastStream.

FastStream's own publish_batch has one set of headers for all events of a batch, and CloudEvents
have one each; so batches are sent by the aiokafka loop's Sender, which costs less than its publish.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec
import psycopg
import uvloop
from aiokafka import ConsumerRecord
from city_backbone.events import OutgoingEvent
from psycopg import AsyncConnection

from loadtests.peers import deadletter, task, wire
from loadtests.peers.contenders.aio import Sender
from loadtests.peers.deadletter import Letter, PoisonError
from loadtests.peers.jobs import stage
from loadtests.peers.jobs.stage import Stage, Taken, by_key
from loadtests.peers.task import Result, Stopwatch, Task

FETCH = 3_000
"""Records at most of one batch, over all partitions, as in the bare loops."""
_SECONDS = 900
_COLUMNS = {"state": ("key", "packed"), "position": ("partition", "done")}
_TABLES = """
create schema if not exists peers;
create table if not exists peers.state (key text primary key, packed bytea not null);
create table if not exists peers.position (partition int primary key, done bigint not null);
create table if not exists peers.outbox (id bigserial primary key, records bytea not null);
create table if not exists peers.inbox (event_id uuid primary key)
"""
_ONCE = ("means",)
"""Jobs in which an event that its topic has twice would count twice; an alarm knows its own."""


class Outgoing(msgspec.Struct, array_like=True):
    """Of a batch, a row of the outbox."""

    told: Sequence[tuple[bytes, bytes, list[tuple[str, bytes]]]]
    """Key, value, headers."""
    dead: Sequence[Letter]

    def __bool__(self) -> bool:
        return bool(self.told or self.dead)


class Sorted(NamedTuple):
    """A batch: what can be handled, by its CloudEvents id, and what can not."""

    events: Sequence[tuple[UUID, Taken[Any] | None]]
    dead: Sequence[Letter]


class Folded(NamedTuple):
    states: Mapping[str, bytes]
    told: Sequence[OutgoingEvent]


def sort(of: Stage[Any, Any], records: Sequence[ConsumerRecord[Any, Any]]) -> Sorted:
    events: list[tuple[UUID, Taken[Any] | None]] = []
    dead: list[Letter] = []
    read = deadletter.read
    for one in records:
        try:
            events.append(read(of, one.key, one.value, one.headers))
        except PoisonError as error:
            where = one.topic, one.partition, one.offset
            dead.append(deadletter.letter(*where, one.key, one.value, one.headers, str(error)))
    return Sorted(events, dead)


def fold(
    of: Stage[Any, Any], taken: Mapping[str, Sequence[Any]], packed: Mapping[str, bytes]
) -> Folded:
    """What a batch makes of the stored states of its keys."""
    told: list[OutgoingEvent] = []
    states: dict[str, bytes] = {}
    for key, inputs in taken.items():
        state = of.unpack(packed[key]) if key in packed else of.fresh()
        told += of.take(state, inputs)
        states[key] = of.pack(state)
    return Folded(states, told)


class Batches(Protocol):
    """What a batch of records does."""

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None: ...


class Stored:
    """In PostgreSQL; takes a batch again after a crash, and then it changes nothing."""

    def __init__(
        self, of: Stage[Any, Any], connection: AsyncConnection[Any], sender: Sender, *, once: bool
    ) -> None:
        self._stage = of
        self._once = once
        self._connection = connection
        self._sender = sender
        self._confirmed: list[int] = []

    async def start(self) -> None:
        """Also sends what a crash has left unsent."""
        await self._connection.execute(_TABLES)
        found = await self._connection.execute("select id, records from peers.outbox order by id")
        for number, records in await found.fetchall():
            await self._send(number, msgspec.msgpack.decode(records, type=Outgoing))

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        async with self._connection.transaction():
            fresh = await self._fresh(records)
            if not fresh:
                return
            events, dead = sort(self._stage, fresh)
            if self._once and events:
                events = await self._new(events)
            taken = by_key(one for _, one in events)
            folded = fold(self._stage, taken, await self._states(list(taken)))
            await self._save(folded.states, {one.partition: one.offset for one in fresh})
            told = [
                (event.key.encode(), wire.encoded(event), wire.headers(event))
                for event in folded.told
            ]
            outgoing = Outgoing(told, dead)
            number = await self._tell(outgoing)
        await self._send(number, outgoing)

    async def stop(self) -> None:
        await self._forget()

    async def _fresh(
        self, records: Sequence[ConsumerRecord[Any, Any]]
    ) -> list[ConsumerRecord[Any, Any]]:
        """Without what is done already."""
        found = await self._connection.execute(
            "select partition, done from peers.position where partition = any(%b)",
            (list({one.partition for one in records}),),
            binary=True,
        )
        done = dict(await found.fetchall())
        return [one for one in records if one.offset > done.get(one.partition, -1)]

    async def _new(
        self, events: Sequence[tuple[UUID, Taken[Any] | None]]
    ) -> Sequence[tuple[UUID, Taken[Any] | None]]:
        """Without what the topic has had before."""
        found = await self._connection.execute(
            "insert into peers.inbox select distinct id from unnest(%b::uuid[]) as id order by id"
            " on conflict do nothing returning event_id",
            ([identity for identity, _ in events],),
            binary=True,
        )
        new = {row[0] for row in await found.fetchall()}
        fresh = []
        for one in events:
            if one[0] in new:
                new.discard(one[0])
                fresh.append(one)
        return fresh

    async def _states(self, keys: list[str]) -> Mapping[str, bytes]:
        found = await self._connection.execute(
            "select key, packed from peers.state where key = any(%b) for update",
            (keys,),
            binary=True,
        )
        return dict(await found.fetchall())

    async def _save(self, states: Mapping[str, bytes], done: Mapping[int, int]) -> None:
        for table, changed, kinds in (
            ("state", states, "%b::text[], %b::bytea[]"),
            ("position", done, "%b::int[], %b::bigint[]"),
        ):
            key, value = _COLUMNS[table]
            await self._connection.execute(
                f"insert into peers.{table} select * from unnest({kinds})"
                f" on conflict ({key}) do update set {value} = excluded.{value}",
                (list(changed), list(changed.values())),
            )

    async def _tell(self, outgoing: Outgoing) -> int:
        await self._forget()
        if not outgoing:
            return 0
        found = await self._connection.execute(
            "insert into peers.outbox (records) values (%b) returning id",
            (msgspec.msgpack.encode(outgoing),),
        )
        row = await found.fetchone()
        assert row is not None
        return int(row[0])

    async def _send(self, number: int, outgoing: Outgoing) -> None:
        if outgoing:
            sent = await self._sender.send_records(outgoing.told)
            if outgoing.dead:
                graves = deadletter.topic(self._stage.topic)
                sent += await self._sender.send_letters(graves, outgoing.dead)
            for confirmation in sent:
                await confirmation
            self._confirmed.append(number)

    async def _forget(self) -> None:
        """With the next batch's transaction, which saves one: told again, an event has its id."""
        if self._confirmed:
            await self._connection.execute(
                "delete from peers.outbox where id = any(%b)", (self._confirmed,)
            )
            self._confirmed = []


def create(what: Task, batches: Batches) -> Any:
    """The broker, with a subscriber that has records as they are; each batch is acknowledged when
    it is done, and comes again when it fails."""
    # Not in the project's virtual environment, so that the checker cannot find it.
    from faststream import AckPolicy  # type: ignore[import-not-found]
    from faststream.kafka import KafkaBroker  # type: ignore[import-not-found]
    from faststream.security import SASLScram512  # type: ignore[import-not-found]

    broker = KafkaBroker(
        what.bootstrap,
        security=SASLScram512(what.username, what.password, use_ssl=False),
        allow_auto_create_topics=False,
        apply_types=False,
        # It swallows what a handler or a consumer raises, and tells it only here.
        logger=logging.getLogger("faststream"),
    )

    async def parse(records: Any, original: Any) -> Any:
        """Its own parser reads the headers of all records as text: an effort that nobody needs
        here, and one that is no text would bring the batch again for ever."""
        message = await original((dataclasses.replace(records[0], headers=()),))
        message.raw_message = records
        return message

    async def raw(message: Any) -> Any:
        return message.raw_message

    @broker.subscriber(  # type: ignore[untyped-decorator]
        what.topic,
        batch=True,
        max_records=FETCH,
        group_id=what.group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        parser=parse,
        decoder=raw,
    )
    async def take(records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        await batches.take(records)

    return broker


class _Counted:
    def __init__(self, batches: Batches, watch: Stopwatch) -> None:
        self._batches = batches
        self._watch = watch
        self.done = 0

    async def take(self, records: Sequence[ConsumerRecord[Any, Any]]) -> None:
        self._watch.start()
        await self._batches.take(records)
        self.done += len(records)


async def run(what: Task) -> Result:
    from faststream.kafka.message import KafkaAckableMessage  # type: ignore[import-not-found]

    logging.basicConfig(level=logging.WARNING)
    watch = Stopwatch()
    finished: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    acknowledge = KafkaAckableMessage.ack

    async def acknowledged(message: Any) -> None:
        await acknowledge(message)
        if counted.done >= what.events and not finished.done():
            finished.set_result(watch.stop())

    KafkaAckableMessage.ack = acknowledged
    sender = Sender(what)
    await sender.start()
    connection = await psycopg.AsyncConnection.connect(what.dsn, autocommit=True)
    of = stage.create(what.job, bytes(what.places))
    stored = Stored(of, connection, sender, once=what.job in _ONCE)
    await stored.start()
    counted = _Counted(stored, watch)
    broker = create(what, counted)
    try:
        await broker.start()
        async with asyncio.timeout(_SECONDS):
            return await finished
    finally:
        await broker.stop()
        await stored.stop()
        await connection.close()
        await sender.stop()


if __name__ == "__main__":
    task.answer(uvloop.run(run(task.read())))
