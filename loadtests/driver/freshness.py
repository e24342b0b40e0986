"""Event to effect: how long after its intended instant what was sent shows, at the other end.

Effects are read from their topics, by the operator's identity, and from the rooms' records. What
is matched is the intended instant, which travels in the event's own time field or, for what is
written straight to a topic, in a header.
"""

import asyncio
import io
import json
import struct
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import aiohttp
import fastavro
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from loadtests.driver import clock
from loadtests.driver.clock import Offset
from loadtests.driver.engine import Now
from loadtests.driver.operation import World
from loadtests.driver.operations.calling import variable
from loadtests.driver.operations.cameras import ARSON_SEEN, micros
from loadtests.driver.operations.kafka import INTENDED, kafka_options
from loadtests.driver.recorder import Recorder
from loadtests.driver.result import FRESHNESS, Clock
from loadtests.report.histograms import writing
from loadtests.rooms import asking
from loadtests.rooms.record import PAGE

Priority = Literal["urgent", "normal", "bulk"]
_FRAME = struct.Struct(">bI")
_POLL_MS = 20
_ROOM_SECONDS = 0.05
_READ_SECONDS = 10.0
# Of a room that does not tell its time at the end: its clock may have gone anywhere.
_UNKNOWN = Offset(0.0, 3_600_000_000.0)


@dataclass(frozen=True, slots=True)
class Effect:
    """Events of a topic that show what was sent. `intended` gives the instant from an event, None
    for one that no operation caused; `incident` the id that rooms are told. One in `each` events of
    a topic is looked at: all of a bulk topic would cost what is to be measured."""

    topic: str
    priority: Priority
    intended: Callable[[Mapping[str, Any]], datetime | None]
    each: int = 1
    incident: Callable[[Mapping[str, Any]], str | None] = lambda data: None


def _of_probe(data: Mapping[str, Any]) -> datetime | None:
    """An arson's alarm tells when it was first seen; it is due when it has persisted."""
    if not data["site_id"].startswith("probe-"):
        return None
    seen: datetime = data["occurred_at"]
    return seen + ARSON_SEEN


def _of_incident(data: Mapping[str, Any]) -> datetime | None:
    if data["revision"] != 1:
        return None
    occurred: datetime = data["occurred_at"]
    if data["source"] == "cameras":
        return occurred + ARSON_SEEN if "측정 지점" in data["place"] else None
    return occurred if data["source"] == "health" else None


def _of_detection(data: Mapping[str, Any]) -> datetime | None:
    """An arson's detections are sent together, when it has persisted."""
    seen: datetime = data["detected_at"]
    return None if data["site_id"].startswith("probe-") else seen


def _field(name: str) -> Callable[[Mapping[str, Any]], datetime | None]:
    def read(data: Mapping[str, Any]) -> datetime | None:
        found: datetime = data[name]
        return found

    return read


def _incident_id(data: Mapping[str, Any]) -> str | None:
    return str(data["incident_id"])


EFFECTS = (
    Effect("cameras.alarm-raised.v1", "urgent", _of_probe),
    Effect("cameras.alarm-escalated.v1", "urgent", _of_probe),
    Effect("health.acute-reading-detected.v1", "urgent", _field("taken_at")),
    Effect("emergency.incident-changed.v1", "urgent", _of_incident, incident=_incident_id),
    Effect("sensors.reading-taken.v1", "normal", _field("measured_at")),
    Effect("cameras.object-detected.v1", "bulk", _of_detection, each=10),
)


class Freshness:
    """What was seen since `since`; effects of what was intended before are somebody else's.

    Kept until `write`: an effect counts in the second in which it was intended, however late it
    comes, so that a phase answers for all that it caused.
    """

    def __init__(self, now: Now) -> None:
        self._now = now
        self._since = now()
        self._values: dict[tuple[int, str], array[int]] = {}
        self._intended: dict[str, int] = {}
        self._early: dict[str, list[tuple[str, int]]] = {}
        self._came = asyncio.Event()
        self.seen = Counter[str]()
        """By effect."""
        self.schemas: dict[str, set[int]] = {}
        """Ids of the writers' schemas by topic, of the events that were looked at."""
        self.rooms: dict[str, Offset] = {}
        """The rooms' clocks against the driver's, over the whole time once that is at its end."""

    def clock(self, driver: Clock) -> Clock:
        """The run's: the worst of the rooms' clocks and those that the driver knows of."""
        rooms = clock.worst(list(self.rooms.values()))
        return Clock(
            offset_ms=max(driver.offset_ms, rooms.offset_ms, key=abs),
            uncertainty_ms=max(driver.uncertainty_ms, rooms.uncertainty_ms),
        )

    def event(self, effect: Effect, intended: int, data: Mapping[str, Any]) -> None:
        """An event that shows now."""
        if intended < self._since:
            return
        self._record(effect.topic, effect.priority, intended, self._now())
        incident = effect.incident(data)
        if incident is not None:
            self._intended[incident] = intended
            for room, received in self._early.pop(incident, ()):
                self._record(room, effect.priority, intended, received)

    def received(self, room: str, incident: str, at: int) -> None:
        """A room has an incident for the first time, perhaps before the topic shows it."""
        intended = self._intended.get(incident)
        if intended is None:
            self._early.setdefault(incident, []).append((room, at))
        else:
            self._record(room, "urgent", intended, at)

    async def until_seen(self, effects: Mapping[str, int], seconds: float) -> None:
        """Until there are so many of each, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(self.seen[effect] < count for effect, count in effects.items()):
                    self._came.clear()
                    await self._came.wait()

    def write(self, recorder: Recorder) -> None:
        """All that was seen, in order of the seconds."""
        for (second, tag), values in sorted(self._values.items()):
            for value in values:
                recorder.record(second, tag, value)
        recorder.flush()

    def _record(self, effect: str, priority: Priority, intended: int, at: int) -> None:
        self.seen[effect] += 1
        self._came.set()
        place = (intended // 1_000_000, f"{effect}|{priority}")
        self._values.setdefault(place, array("q")).append(at - intended)


@asynccontextmanager
async def watching(
    world: World,
    folder: Path,
    rooms: Mapping[str, str] | None = None,
    effects: Collection[Effect] = EFFECTS,
    settle_seconds: float = 3.0,
) -> AsyncIterator[Freshness]:
    """Entered when it sees all that comes from now on; freshness.hlog is in `folder` after it.

    `world` has the operator's variables; `rooms` are URLs of the stand-ins by name, as
    "room-112". Effects have `settle_seconds` to show after the last call. A room has an incident
    from when its record says; where its clock is another one, that is corrected by its offset at
    the beginning, and what the offset is at the end adds to the uncertainty.
    """
    now = Now()
    began = now() / 1_000_000
    async with AsyncExitStack() as stack:
        consumer = await stack.enter_async_context(_consumer(world, effects))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_READ_SECONDS))
        )
        schemas = _Schemas(http, variable(world, "OPERATOR_REGISTRY__URL"))
        writer = stack.enter_context(writing(folder / FRESHNESS, began))
        found = Freshness(now)
        stack.callback(lambda: found.write(Recorder(writer.write)))
        rooms, known = rooms or {}, dict[str, int]()
        for name, url in rooms.items():
            found.rooms[name] = await asking.offset(http, url, now)
            known[name] = await asking.count(http, url)
        tasks = [asyncio.create_task(_read(consumer, effects, schemas, found))]
        for name, url in rooms.items():
            tasks.append(asyncio.create_task(_ask(http, name, url, known[name], found)))
        try:
            yield found
            await asyncio.sleep(settle_seconds)
            for task in tasks:
                if task.done():
                    task.result()
            for name, before in found.rooms.items():
                if before is not clock.SAME_CLOCK:
                    after = await _at_end(http, rooms[name], now)
                    found.rooms[name] = clock.over(before, after)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _read(
    consumer: AIOKafkaConsumer, effects: Collection[Effect], schemas: "_Schemas", found: Freshness
) -> None:
    by_topic = {one.topic: one for one in effects}
    while True:
        batches = await consumer.getmany(timeout_ms=_POLL_MS)
        for where, records in batches.items():
            effect = by_topic[where.topic]
            for record in records:
                if record.offset % effect.each == 0:
                    await _look(record, effect, schemas, found)


async def _look(
    record: "ConsumerRecord[bytes, bytes]", effect: Effect, schemas: "_Schemas", found: Freshness
) -> None:
    header = dict(record.headers).get(INTENDED)
    if header is not None:
        found.event(effect, int(header), {})
        return
    data = await schemas.decode(record.value)
    if data is None:
        return
    found.schemas.setdefault(record.topic, set()).add(_FRAME.unpack_from(record.value)[1])
    intended = effect.intended(data)
    if intended is not None:
        found.event(effect, micros(intended), data)


async def _ask(
    http: aiohttp.ClientSession, name: str, url: str, after: int, found: Freshness
) -> None:
    ahead = round(found.rooms[name].micros)
    seen: set[str] = set()
    while True:
        try:
            page = await asking.page(http, url, after)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            page = []  # A room that is away is asked again: it keeps its record.
        for one in page:
            incident = one.items.get("incidentId")
            if incident and incident not in seen:
                seen.add(incident)
                received = micros(datetime.fromisoformat(one.receivedAt))
                found.received(name, incident, received - ahead)
        after += len(page)
        if len(page) < PAGE:
            await asyncio.sleep(_ROOM_SECONDS)


async def _at_end(http: aiohttp.ClientSession, url: str, now: Now) -> Offset:
    try:
        return await asking.offset(http, url, now)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return _UNKNOWN


class _Schemas:
    """Decodes what is Avro by the registry."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._parsed: dict[int, Any] = {}

    async def decode(self, value: bytes | None) -> dict[str, Any] | None:
        """None for what is malformed."""
        if value is None or len(value) < _FRAME.size:
            return None
        _, schema_id = _FRAME.unpack_from(value)
        try:
            if schema_id not in self._parsed:
                self._parsed[schema_id] = await self._schema(schema_id)
            body = io.BytesIO(value[_FRAME.size :])
            data = fastavro.schemaless_reader(body, self._parsed[schema_id], None)
        except Exception:  # fastavro lets through whatever wrong bytes lead it to
            return None
        return data if isinstance(data, dict) else None

    async def _schema(self, schema_id: int) -> Any:
        async with self._http.get(f"{self._url}/schemas/ids/{schema_id}") as response:
            response.raise_for_status()
            answer = await response.json(content_type=None)
        return fastavro.parse_schema(json.loads(answer["schema"]))


@asynccontextmanager
async def _consumer(world: World, effects: Collection[Effect]) -> AsyncIterator[AIOKafkaConsumer]:
    """At the end of all partitions, without a group."""
    consumer = AIOKafkaConsumer(
        *(one.topic for one in effects),
        **kafka_options(world, "OPERATOR"),
        enable_auto_commit=False,
        fetch_max_wait_ms=_POLL_MS,
    )
    await consumer.start()
    try:
        for partition, offset in (await consumer.end_offsets(consumer.assignment())).items():
            consumer.seek(partition, offset)
        yield consumer
    finally:
        await consumer.stop()
