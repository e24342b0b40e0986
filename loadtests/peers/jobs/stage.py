"""A job as every peer runs it: pure, the state handed in, what is to be told handed back."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

import msgspec
from city_backbone.events import OutgoingEvent

S = TypeVar("S")
I = TypeVar("I")  # noqa: E741
JOBS = ("alarms", "means")


class Taken(NamedTuple, Generic[I]):
    """An event that needs state. `key`: of its state, which one partition has alone."""

    key: str
    input: I


class Stage(Protocol[S, I]):
    """`pack` and `unpack` are for those who keep state outside of the process."""

    topic: str

    def read(self, value: bytes) -> Taken[I] | None:
        """None for an event that needs no state."""

    def fresh(self) -> S:
        """A key's state before its first event."""

    def take(self, state: S, inputs: Sequence[I]) -> Sequence[OutgoingEvent]:
        """What follows of a key's further events, in their order; changes the state."""

    def pack(self, state: S) -> bytes: ...

    def unpack(self, packed: bytes) -> S: ...


def create(job: str, places: bytes) -> Stage[Any, Any]:
    """places: JSON of the job's registered places."""
    module = import_module(f"loadtests.peers.jobs.{job}")
    return cast(Stage[Any, Any], module.create(places))


def by_key(events: Iterable[Taken[I] | None]) -> dict[str, list[I]]:
    """A batch's events that need state."""
    taken: dict[str, list[I]] = {}
    for one in events:
        if one is not None:
            key, event = one
            inputs = taken.get(key)
            if inputs is None:
                taken[key] = [event]
            else:
                inputs.append(event)
    return taken


class Memory(Generic[S, I]):
    """All keys' state, in this process alone."""

    def __init__(self, stage: Stage[S, I]) -> None:
        self._stage = stage
        self._states: dict[str, S] = {}

    def take(self, values: Iterable[bytes]) -> list[OutgoingEvent]:
        """A batch of one partition."""
        stage, states, told = self._stage, self._states, list[OutgoingEvent]()
        for key, inputs in by_key(map(stage.read, values)).items():
            state = states.get(key)
            if state is None:
                state = states[key] = stage.fresh()
            told += stage.take(state, inputs)
        return told


def places_json(places: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(places))
