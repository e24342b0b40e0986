"""The job as a Faust agent, for any Faust app: an event is a message, the state a table."""

import asyncio
from typing import Any, Generic, TypeVar

import faust
from city_backbone.events import OutgoingEvent
from faust.serializers import codecs
from faust.types.auth import SASLMechanism

from loadtests.peers import wire
from loadtests.peers.jobs import stage
from loadtests.peers.jobs.stage import Stage
from loadtests.peers.task import Result, Stopwatch, Task

S = TypeVar("S")
In = TypeVar("In")
_SECONDS = 900


class _Packed(codecs.Codec):  # type: ignore[misc]
    """A key's state as bytes, made only for the changelog."""

    def __init__(self, of: Stage[Any, Any]) -> None:
        super().__init__()
        self._stage = of

    def _dumps(self, obj: Any) -> bytes:
        return self._stage.pack(obj)

    def _loads(self, s: bytes) -> Any:
        return self._stage.unpack(s)


class Table(Generic[S, In]):
    """One event after the other, as the agent gets them; `states` is the table."""

    def __init__(self, of: Stage[S, In], states: Any) -> None:
        self._stage = of
        self._states = states

    def take(self, value: bytes) -> list[OutgoingEvent]:
        taken = self._stage.read(value)
        if taken is None:
            return []
        key = taken.key.encode()
        state = self._states.get(key) or self._stage.fresh()
        told = list(self._stage.take(state, [taken.input]))
        self._states[key] = state  # tells the changelog
        return told


def create(what: Task, **settings: Any) -> Any:
    """An app with what it needs for this broker and this folder, and `settings`."""
    return faust.App(
        what.group,
        broker=f"kafka://{what.bootstrap}",
        broker_credentials=faust.SASLCredentials(
            username=what.username,
            password=what.password,
            mechanism=SASLMechanism.SCRAM_SHA_512,
        ),
        consumer_auto_offset_reset="earliest",
        topic_replication_factor=1,
        datadir=f"{what.folder}/faust",
        **settings,
    )


class Agent:
    """The app's one agent.

    confirmed: whether an event is done when what it tells is confirmed, or, as in Faust's own
    documentation, when `await topic.send()` has given that to the producer.
    """

    def __init__(self, what: Task, app: Any, *, confirmed: bool) -> None:
        of = stage.create(what.job, bytes(what.places))
        codecs.register("state", _Packed(of))
        states = app.Table("states", partitions=what.partitions, key_type=bytes, value_type=bytes)
        states.value_serializer = "state"
        self._table = Table(of, states)
        self._app = app
        self._topic = what.topic
        self._before, self._events = what.before, what.events
        self._confirmed = confirmed
        self._output = app.topic(what.output, key_serializer="raw", value_serializer="raw")
        self._watch, self._done, self._finished = Stopwatch(), 0, asyncio.Event()
        app.agent(app.topic(what.topic, key_serializer="raw", value_serializer="raw"))(self._take)

    async def result(self) -> Result:
        """When all events are done and committed."""
        async with asyncio.timeout(_SECONDS):
            await self._finished.wait()
            while self._committed() < self._before + self._events:
                await asyncio.sleep(0)
                await self._app.consumer.commit()
            return self._watch.stop()

    def _committed(self) -> int:
        """It has topics of its own, too, such as its leader's."""
        offsets = self._app.consumer._committed_offset.items()
        return sum(offset or 0 for part, offset in offsets if part.topic == self._topic)

    async def _take(self, stream: Any) -> None:
        output = self._output
        async for value in stream:
            self._watch.start()
            sent = [
                await output.send(
                    key=event.key.encode(),
                    value=wire.encoded(event),
                    headers=dict(wire.headers(event)),
                )
                for event in self._table.take(value)
            ]
            if self._confirmed:
                for confirmation in sent:
                    await confirmation
            self._done += 1
            if self._done >= self._events:
                self._finished.set()
