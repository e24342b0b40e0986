"""Facts that change no state of ours go straight to the broker, not by way of the outbox."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import aiokafka.errors
import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from city_backbone import telemetry
from city_backbone.codec import Codec
from city_backbone.errors import BrokerUnavailable, InvalidEvent, Overloaded, TopicRefused
from city_backbone.events import OutgoingEvent, cloudevents_headers, trace_headers
from city_backbone.outbox import Record
from city_backbone.publisher import PERMANENT, REFUSED, Publisher
from city_backbone.settings import DirectSettings

log = structlog.get_logger()

_IDLE_SECONDS = 0.25
_RETRY_SECONDS = 0.2
_TOPIC_PAUSE_SECONDS = 5.0


class _Call:
    """One caller's events; `confirmed` is done when all of them are, or one cannot be."""

    def __init__(self, events: int) -> None:
        self.missing = events
        self.confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A caller that has gone in the meantime does not ask for the error any more.
        self.confirmed.add_done_callback(lambda done: done.cancelled() or done.exception())

    def confirm(self) -> None:
        self.missing -= 1
        if not self.missing and not self.confirmed.done():
            self.confirmed.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.confirmed.done():
            self.confirmed.set_exception(error)


_Item: TypeAlias = tuple[Record, _Call]
_Place: TypeAlias = tuple[bool, int]  # what yields comes last, else in the order given


class Direct:
    """Publishes events and returns when the broker has them; see docs/decisions/0009.

    Events of one key that one caller gives are written in that order. What concurrent callers
    give goes out together, that of calls that yield last. An event may be written twice (an
    answer was lost, the caller tries again), so its id must be deterministic. What a caller no
    longer waits for is not sent.
    """

    def __init__(
        self,
        source: str,
        codec: Codec,
        publisher: Publisher,
        settings: DirectSettings,
        meter: Meter,
    ) -> None:
        self._source = source
        self._codec = codec
        self._publisher = publisher
        self._settings = settings
        self._queue: asyncio.PriorityQueue[tuple[_Place, _Item]] = asyncio.PriorityQueue(
            settings.queue
        )
        self._given = itertools.count()
        self._most_yielding = max(1, min(settings.yielding, settings.queue // 2))
        self._yielding = 0
        self._paused: dict[str, tuple[float, str]] = {}
        self._open = False
        self._ended = False
        self._sent = meter.create_counter(telemetry.SENT)
        self._duration = meter.create_histogram(
            telemetry.DIRECT_DURATION,
            unit="s",
            explicit_bucket_boundaries_advisory=telemetry.SECONDS,
        )
        meter.create_observable_gauge(telemetry.DIRECT_WAITING, [self._observe])

    async def publish(self, events: Sequence[OutgoingEvent], *, yields: bool = False) -> None:
        """Returns when the broker has confirmed all of them.

        A call that `yields` lets others go first, and raises Overloaded when more than `yielding`
        events of such calls would wait; one that is larger by itself is taken when no other waits.
        Raises InvalidEvent when one does not fit its topic's schema or is too large,
        BrokerUnavailable when they are not confirmed within `deadline_seconds` (a full queue
        counts), TopicRefused when the broker does not take the topic from this department. The
        latter two are Transient; then some of the events may have been written.
        """
        if yields and self._yielding and self._yielding + len(events) > self._most_yielding:
            raise Overloaded(
                f"{self._yielding} events wait for the broker, expected at most"
                f" {self._most_yielding}: send again later"
            )
        trace = trace_headers()
        records = [
            Record(
                event.topic,
                event.key.encode(),
                self._codec.encode(event.topic, event.data),
                cloudevents_headers(event, self._source, trace),
            )
            for event in events
        ]
        if not records:
            return
        started = time.perf_counter()
        call = _Call(len(records))
        self._yielding += yields * len(records)
        try:
            async with asyncio.timeout(self._settings.deadline_seconds):
                for record in records:
                    if self._ended:
                        raise BrokerUnavailable("this service is stopping")
                    await self._queue.put(((yields, next(self._given)), (record, call)))
                await call.confirmed
        except TimeoutError:
            raise BrokerUnavailable(
                f"not confirmed by the broker within {self._settings.deadline_seconds} s"
            ) from None
        finally:
            self._yielding -= yields * len(records)
            call.confirmed.cancel()
            self._duration.record(time.perf_counter() - started)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set and what was given before that is settled."""
        try:
            while not (self._ended and self._queue.empty()):
                self._ended = stopping.is_set()
                items = await self._take()
                if items:
                    await self._send(items)
        finally:
            self._ended = True
            self._refuse_the_rest()
            await self._publisher.close()

    async def _take(self) -> list[_Item]:
        """What waits now and somebody still waits for; none after a short while without any."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                items = [(await self._queue.get())[1]]
        except TimeoutError:
            return []
        while len(items) < self._settings.batch and not self._queue.empty():
            items.append(self._queue.get_nowait()[1])
        return _awaited(items)

    async def _send(self, items: Sequence[_Item]) -> None:
        items = self._without_paused(items)
        while items and not await self._connected():
            await asyncio.sleep(_RETRY_SECONDS)
            items = _awaited(items)
        if not items:
            return
        outcomes = await self._publisher.publish([record for record, _ in items])
        lost = self._settle(items, outcomes)
        if lost is not None:
            log.warning("direct publishing interrupted", error=repr(lost))
            self._open = False
            await self._publisher.close()

    async def _connected(self) -> bool:
        if not self._open:
            try:
                await self._publisher.open()
            except (aiokafka.errors.KafkaError, TimeoutError, OSError) as error:
                log.warning("direct publishing waits for the broker", error=repr(error))
            else:
                self._open = True
        return self._open

    def _without_paused(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """Fails at once what goes to a topic that was refused a moment ago."""
        now = time.monotonic()
        self._paused = {topic: why for topic, why in self._paused.items() if why[0] > now}
        if not self._paused:
            return items
        for record, call in items:
            if record.topic in self._paused:
                call.fail(TopicRefused(self._paused[record.topic][1]))
        return _awaited(items)

    def _settle(
        self, items: Sequence[_Item], outcomes: Sequence[Exception | None]
    ) -> Exception | None:
        """Tell the callers; returns the error for which the connection must be made anew."""
        lost: Exception | None = None
        sent = Counter[str]()
        for (record, call), outcome in zip(items, outcomes, strict=True):
            topic = record.topic
            if outcome is None:
                sent[topic] += 1
                call.confirm()
            elif isinstance(outcome, PERMANENT):
                call.fail(InvalidEvent(f"{topic}: {outcome}"))
            elif isinstance(outcome, REFUSED):
                refused = f"{topic}: refused by the broker: {outcome!r}"
                if topic not in self._paused:
                    log.error("topic refused by the broker", topic=topic, error=repr(outcome))
                    self._paused[topic] = (time.monotonic() + _TOPIC_PAUSE_SECONDS, refused)
                call.fail(TopicRefused(refused))
            else:
                lost = outcome
                call.fail(BrokerUnavailable(f"not confirmed by the broker: {outcome!r}"))
        for topic, count in sent.items():
            self._sent.add(count, {"messaging.destination.name": topic})
        return lost

    def _refuse_the_rest(self) -> None:
        while not self._queue.empty():
            _, (_, call) = self._queue.get_nowait()
            call.fail(BrokerUnavailable("this service is stopping"))

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self._queue.qsize())]


def _awaited(items: Iterable[_Item]) -> list[_Item]:
    return [(record, call) for record, call in items if not call.confirmed.done()]
