"""Turns a partition batch into effects: decode, inbox, handler, one transaction; then done."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import structlog
from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.metrics import Meter
from opentelemetry.propagate import extract
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from city_backbone import inbox, telemetry
from city_backbone.codec import Codec
from city_backbone.database import Connection, Database
from city_backbone.errors import RegistryUnavailable, Transient, Undecodable, Unprocessable
from city_backbone.events import Event, event_from_record, event_id
from city_backbone.stream.deadletter import Failure, bury
from city_backbone.stream.parking import park, parked_keys
from city_backbone.stream.transport import Batch

log = structlog.get_logger()
tracer = trace.get_tracer("city_backbone")

Handler: TypeAlias = Callable[[Connection, Sequence[Event]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """`handler` gets new events of one partition of `topic`, in order, and a transaction.

    All its effects go through that connection; they are committed together with the inbox, so
    each event takes effect once. Raise Transient to have the batch tried again, Unprocessable
    (or let any other exception out) to have the event dead-lettered with the reason. What an
    Unprocessable says is also logged, so it must not quote personal data.
    """

    topic: str
    handler: Handler


@dataclass(slots=True)
class _Sorted:
    events: list[tuple[ConsumerRecord, Event]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    parked: list[ConsumerRecord] = field(default_factory=list)


class Worker:
    """Handles the batches of one service's subscriptions; also used for what was parked."""

    def __init__(
        self,
        group: str,
        subscriptions: Sequence[Subscription],
        codec: Codec,
        database: Database,
        meter: Meter,
    ) -> None:
        self._group = group
        self._handlers: Mapping[str, Handler] = {s.topic: s.handler for s in subscriptions}
        self._codec = codec
        self._database = database
        self._consumed = meter.create_counter(telemetry.CONSUMED)
        self._duration = meter.create_histogram(telemetry.PROCESS_DURATION, unit="s")
        self._dead = meter.create_counter(telemetry.DEAD_LETTERS)
        self._waiting: dict[tuple[str, int], str] = {}
        self._newest: dict[tuple[str, int], float] = {}

    @property
    def waiting_for(self) -> str | None:
        """What some batch cannot do without and is tried again for; None when none waits."""
        return next(iter(self._waiting.values()), None)

    def newest(self, topic: str, partition: int) -> float | None:
        """Event time, seconds since 1970, of what was handled last; None before the first."""
        return self._newest.get((topic, partition))

    async def handle(self, topic: str, partition: int, batch: Batch) -> None:
        """Returns when every record of the batch has its effect, its grave or its parking place.

        While a neighbour that the effects need is away it tries again and again: cancel to stop.
        """
        started = time.perf_counter()
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            wait=wait_random_exponential(0.1, max=5.0),
            before_sleep=lambda state: self._wait(topic, partition, state),
        )
        links = [link for record in batch.records if (link := _link(record))]
        try:
            with tracer.start_as_current_span(f"process {topic}", links=links):
                async for attempt in attempts:
                    with attempt:
                        await self.attempt(topic, batch.records)
        finally:
            self._waiting.pop((topic, partition), None)
        newest = batch.records[-1]
        attributes = {
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(partition),
        }
        self._duration.record(time.perf_counter() - started, attributes)
        self._newest[topic, partition] = _event_time(newest)
        log.debug(
            "batch handled",
            topic=topic,
            partition=partition,
            offset=newest.offset,
            events=len(batch.records),
            outcome="done",
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )

    async def attempt(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        """Once: all in one transaction; when that fails, event by event. Raises Transient."""
        held = await parked_keys(self._database, topic)
        await self._settle(topic, records, await self._sort(topic, records, held))

    async def retry_parked(self, record: ConsumerRecord) -> bool:
        """Whether a parked record could be settled now. Raises Transient."""
        sorted_ = await self._sort(record.topic, [record], set())
        if sorted_.parked:
            return False
        await self._settle(record.topic, [record], sorted_)
        return True

    async def _settle(
        self, topic: str, records: Sequence[ConsumerRecord], sorted_: _Sorted
    ) -> None:
        try:
            await self._commit(topic, sorted_)
            handled = len(sorted_.events)
        except (Transient, asyncio.CancelledError):
            raise
        except Exception as error:
            log.warning("batch failed, trying its events alone", topic=topic, error=_summary(error))
            await self._commit(topic, _Sorted(failures=sorted_.failures, parked=sorted_.parked))
            handled = await self._one_by_one(topic, sorted_.events)
        dead = len(records) - handled - len(sorted_.parked)
        for outcome, count in (
            ("handled", handled),
            ("parked", len(sorted_.parked)),
            ("dead", dead),
        ):
            if count:
                self._consumed.add(count, {"messaging.destination.name": topic, "outcome": outcome})

    async def _one_by_one(self, topic: str, events: Sequence[tuple[ConsumerRecord, Event]]) -> int:
        handled = 0
        for record, event in events:
            try:
                await self._commit(topic, _Sorted(events=[(record, event)]))
                handled += 1
            except (Transient, asyncio.CancelledError):
                raise
            except Exception as error:
                log.exception(
                    "event failed",
                    topic=topic,
                    partition=record.partition,
                    offset=record.offset,
                    event_id=str(event.id),
                    outcome="dead",
                )
                reason = f"{type(error).__name__}: {error}"
                failure = Failure(record, reason, _summary(error))
                await self._commit(topic, _Sorted(failures=[failure]))
        return handled

    async def _sort(
        self, topic: str, records: Sequence[ConsumerRecord], held: set[bytes | None]
    ) -> _Sorted:
        sorted_ = _Sorted()
        for record in records:
            if record.key in held:
                sorted_.parked.append(record)
                continue
            try:
                data = await self._codec.decode(topic, record.value)
                event = event_from_record(
                    topic, record.partition, record.offset, record.key, record.headers, data
                )
            except RegistryUnavailable:
                held.add(record.key)
                sorted_.parked.append(record)
            except Transient:
                raise
            except Undecodable as error:
                sorted_.failures.append(Failure(record, str(error), str(error)))
            except Exception as error:  # a schema can break any library that reads it
                kind = type(error).__name__
                sorted_.failures.append(Failure(record, f"{kind}: {error}", kind))
            else:
                sorted_.events.append((record, event))
        return sorted_

    async def _commit(self, topic: str, sorted_: _Sorted) -> None:
        async with self._database.transaction() as connection:
            await park(connection, topic, sorted_.parked, "schema id unknown, registry away")
            for failure in sorted_.failures:
                await self._bury(connection, topic, failure)
            if sorted_.events:
                ids = [event.id for _, event in sorted_.events]
                new = await inbox.admit(connection, ids)
                events = []
                for _, event in sorted_.events:
                    if event.id in new:
                        new.discard(event.id)
                        events.append(event)
                if events:
                    await self._handlers[topic](connection, events)

    async def _bury(self, connection: Connection, topic: str, failure: Failure) -> None:
        record = failure.record
        grave = event_id("dead-letter", self._group, topic, record.partition, record.offset)
        if await inbox.admit(connection, [grave]):
            await bury(connection, self._group, topic, failure)
            self._dead.add(1, {"messaging.destination.name": topic})
            log.warning(
                "event dead-lettered",
                topic=topic,
                partition=record.partition,
                offset=record.offset,
                outcome="dead",
                reason=failure.summary,
            )

    def _wait(self, topic: str, partition: int, state: RetryCallState) -> None:
        error = repr(state.outcome and state.outcome.exception())
        self._waiting[topic, partition] = error
        log.warning("waiting to try again", topic=topic, partition=partition, error=error)


def _summary(error: Exception) -> str:
    """What may be logged: our own words, but of a library's error its type (it may quote data)."""
    return repr(error) if isinstance(error, Unprocessable) else type(error).__name__


def _event_time(record: ConsumerRecord) -> float:
    """`ce_time`, or when the broker took the record for one without."""
    try:
        header = dict(record.headers).get("ce_time") or b""
        return datetime.fromisoformat(header.decode()).timestamp()
    except ValueError:
        return float(record.timestamp / 1000)


def _link(record: ConsumerRecord) -> trace.Link | None:
    """A link to the producer's span when the source decided to sample it."""
    header = dict(record.headers).get("traceparent") or b""
    traceparent = header.decode("ascii", "replace")
    if not traceparent.endswith("-01"):
        return None
    context = trace.get_current_span(extract({"traceparent": traceparent})).get_span_context()
    return trace.Link(context) if context.is_valid else None
