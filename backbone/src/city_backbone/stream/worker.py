"""Turns a partition batch into effects: decode, inbox, handler, one transaction; then done."""

import asyncio
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import structlog
from aiokafka import ConsumerRecord
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from city_backbone import inbox, telemetry
from city_backbone.codec import Codec
from city_backbone.database import Connection, Database
from city_backbone.errors import RegistryUnavailable, Transient, Undecodable, Unprocessable
from city_backbone.events import Event, event_from_record
from city_backbone.stream.deadletter import Failure, bury
from city_backbone.stream.parking import park, parked_keys
from city_backbone.stream.record import event_time, producer_link
from city_backbone.stream.sorting import Sorted
from city_backbone.stream.subscription import Subscription
from city_backbone.stream.transport import Batch

log = structlog.get_logger()
tracer = trace.get_tracer("city_backbone")

# Records decoded before anything else of this process has its turn: two milliseconds or so. And
# those without effect are let go, so that a processor's cache holds what is worked on.
_IN_ONE_GO = 250


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
        self._subscriptions: Mapping[str, Subscription] = {s.topic: s for s in subscriptions}
        self._codec = codec
        self._database = database
        self._consumed = meter.create_counter(telemetry.CONSUMED)
        self._duration = meter.create_histogram(
            telemetry.PROCESS_DURATION,
            unit="s",
            explicit_bucket_boundaries_advisory=telemetry.SECONDS,
        )
        self._dead = meter.create_counter(telemetry.DEAD_LETTERS)
        for topic in self._subscriptions:  # else nobody sees the first one as an increase
            self._dead.add(0, {"messaging.destination.name": topic})
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
        try:
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
        self._newest[topic, partition] = event_time(newest)
        log.debug(
            "batch handled",
            topic=topic,
            partition=partition,
            offset=newest.offset,
            events=len(batch.records),
            outcome="done",
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )

    def urgent(self, topic: str, records: Sequence[ConsumerRecord]) -> bool:
        """Whether these must not linger. What cannot be read or judged may be anything, so it must
        not."""
        urgent = self._subscriptions[topic].urgent
        if urgent is None:
            return False
        events: list[Event] = []
        try:
            for record in records:
                event = self._read(topic, record)
                if event is None:
                    return True
                events.append(event)
        except Exception:  # the reason is found, and told, when the record is handled
            return True
        try:
            return urgent(events)
        except Exception as error:
            _tell_unjudged("urgency", events, error)
            return True

    async def attempt(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        """Once: all in one transaction; when that fails, event by event. Raises Transient."""
        sorted_, whole = Sorted(), 0
        held: set[bytes | None] = set()
        for start in range(0, len(records), _IN_ONE_GO):
            if start:
                await asyncio.sleep(0)
            part = await self._sort(topic, records[start : start + _IN_ONE_GO], held)
            whole += len(part.events)
            sorted_.extend(self._relevant(topic, part))
        if sorted_:
            with _span(topic, sorted_):
                await self._settle(topic, sorted_)
        self._count(topic, handled=whole - len(sorted_.events))

    def _relevant(self, topic: str, sorted_: Sorted) -> Sorted:
        """Without what has no effect; all of it when that cannot be judged."""
        relevant = self._subscriptions[topic].relevant
        if relevant is None or not sorted_.events:
            return sorted_
        events = [event for _, event in sorted_.events]
        try:
            return sorted_.of(relevant(events))
        except Exception as error:  # whose fault it is, the handler finds event by event
            _tell_unjudged("relevance", events, error)
            return sorted_

    async def retry_parked(self, record: ConsumerRecord) -> bool:
        """Whether a parked record could be settled now. Raises Transient."""
        sorted_ = await self._sort(record.topic, [record], set())
        if sorted_.parked:
            return False
        await self._settle(record.topic, sorted_, waited=True)
        return True

    async def _settle(self, topic: str, sorted_: Sorted, waited: bool = False) -> None:
        total = len(sorted_.events) + len(sorted_.failures) + len(sorted_.parked)
        try:
            handled, parked = await self._commit(topic, sorted_, waited)
        except (Transient, asyncio.CancelledError):
            raise
        except Exception as error:
            log.warning("batch failed, trying its events alone", topic=topic, error=_summary(error))
            handled, parked = await self._one_by_one(topic, sorted_.events, waited)
            # Last: what is parked comes behind all events of its key.
            rest = Sorted(failures=sorted_.failures, parked=sorted_.parked)
            parked += (await self._commit(topic, rest, waited))[1]
        self._count(topic, handled=handled, parked=parked, dead=total - handled - parked)

    def _count(self, topic: str, **outcomes: int) -> None:
        for outcome, count in outcomes.items():
            if count:
                self._consumed.add(count, {"messaging.destination.name": topic, "outcome": outcome})

    async def _one_by_one(
        self, topic: str, events: Sequence[tuple[ConsumerRecord, Event]], waited: bool
    ) -> tuple[int, int]:
        handled = parked = 0
        for record, event in events:
            try:
                done = await self._commit(topic, Sorted(events=[(record, event)]), waited)
                handled, parked = handled + done[0], parked + done[1]
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
                await self._commit(topic, Sorted(failures=[failure]), waited)
        return handled, parked

    async def _sort(
        self, topic: str, records: Sequence[ConsumerRecord], held: set[bytes | None]
    ) -> Sorted:
        """`held` are the keys that wait behind one that is parked; it grows."""
        sorted_ = Sorted()
        compacted = self._subscriptions[topic].compacted
        for record in records:
            if compacted and record.value is None:
                continue
            if held and record.key in held:
                sorted_.parked.append(record)
                continue
            try:
                event = self._read(topic, record)
                if event is None:
                    data = await self._codec.decode(topic, record.value)
                    event = _event(topic, record, data)
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

    def _read(self, topic: str, record: ConsumerRecord) -> Event | None:
        """None when its schema is not known yet. Raises Undecodable, or what a schema brings."""
        data = self._codec.decode_known(topic, record.value)
        return None if data is None else _event(topic, record, data)

    async def _commit(self, topic: str, sorted_: Sorted, waited: bool) -> tuple[int, int]:
        """All of it in one transaction; returns how many were handled and how many parked.

        What has not `waited` itself is parked behind what waits with the same key.
        """
        refused: list[Failure] = []
        async with self._database.transaction() as connection:
            if not waited:
                sorted_ = sorted_.behind(await parked_keys(connection, topic))
            await park(connection, topic, sorted_.parked, "schema id unknown, registry away")
            if sorted_.events:
                refused = await self._apply(connection, self._subscriptions[topic], sorted_.events)
            buried = await bury(connection, self._group, topic, [*sorted_.failures, *refused])
        if buried:
            self._dead.add(buried, {"messaging.destination.name": topic})
        return len(sorted_.events) - len(refused), len(sorted_.parked)

    async def _apply(
        self,
        connection: Connection,
        subscription: Subscription,
        sorted_: Sequence[tuple[ConsumerRecord, Event]],
    ) -> list[Failure]:
        """Give the events to the handler, those that are new; returns what it refused."""
        events = [event for _, event in sorted_]
        if subscription.once:
            new = await inbox.admit(connection, [event.id for event in events])
            given, events = events, []
            for event in given:
                if event.id in new:
                    new.discard(event.id)
                    events.append(event)
        if not events:
            return []
        reasons = {
            refusal.event.offset: refusal
            for refusal in await subscription.handler(connection, events) or ()
        }
        if subscription.once and reasons:  # so that it can be sent again once its cause is gone
            await inbox.withdraw(connection, [refusal.event.id for refusal in reasons.values()])
        return [
            Failure(record, reasons[event.offset].reason, reasons[event.offset].reason)
            for record, event in sorted_
            if event.offset in reasons
        ]

    def _wait(self, topic: str, partition: int, state: RetryCallState) -> None:
        error = repr(state.outcome and state.outcome.exception())
        self._waiting[topic, partition] = error
        log.warning("waiting to try again", topic=topic, partition=partition, error=error)


def _event(topic: str, record: ConsumerRecord, data: dict[str, Any]) -> Event:
    return event_from_record(
        topic, record.partition, record.offset, record.key, record.headers, data
    )


def _tell_unjudged(what: str, events: Sequence[Event], error: Exception) -> None:
    *_, frame = traceback.extract_tb(error.__traceback__)
    log.warning(
        f"{what} not judged",
        topic=events[0].topic,
        partition=events[0].partition,
        offsets=[events[0].offset, events[-1].offset],
        error=_summary(error),
        where=f"{frame.filename}:{frame.lineno}",
    )


def _summary(error: Exception) -> str:
    """What may be logged: our own words, but of a library's error its type (it may quote data)."""
    return repr(error) if isinstance(error, Unprocessable) else type(error).__name__


def _span(topic: str, sorted_: Sorted) -> AbstractContextManager[trace.Span]:
    """Of what has an effect, linked to its sampled producers. The trace of a single one goes on;
    where there are several, links must do."""
    links = [link for record in sorted_.records() if (link := producer_link(record))]
    parent: Context | None = None
    if len(links) == 1:
        parent = trace.set_span_in_context(trace.NonRecordingSpan(links[0].context))
    return tracer.start_as_current_span(
        f"process {topic}",
        parent,
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    )
