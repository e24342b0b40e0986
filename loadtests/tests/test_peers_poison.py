"""A record that can never be handled does not stop the contenders with citymesh's guarantees."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from city_backbone.errors import Undecodable
from city_backbone.events import OutgoingEvent, event_from_record, event_id
from city_backbone.stream.deadletter import dead_letter_topic

from loadtests.peers import deadletter, wire
from loadtests.peers.contenders.faststream_told import InMemory, consumed
from loadtests.peers.contenders.quix import Stateful
from loadtests.peers.deadletter import IncomingHeaders, Letter, PoisonError
from loadtests.peers.jobs.stage import Taken

TOPIC = "sensors.reading-taken.v1"
FRAME = bytes(wire.FRAME_BYTES)


class Counting:
    """A stage that tells how many of an odd or even number it has had; a value is its digits."""

    topic = TOPIC

    def read(self, value: bytes) -> Taken[int]:
        number = int(value[wire.FRAME_BYTES :])
        return Taken(f"parity-{number % 2}", number)

    def fresh(self) -> list[int]:
        return []

    def take(self, state: list[int], inputs: Sequence[int]) -> Sequence[OutgoingEvent]:
        told = [_event(len(state) + place, one) for place, one in enumerate(inputs, 1)]
        state += inputs
        return told

    def pack(self, state: list[int]) -> bytes:
        return bytes(state)

    def unpack(self, packed: bytes) -> list[int]:
        return list(packed)


def _event(have: int, number: int) -> OutgoingEvent:
    data = {"have": have, "number": number}
    return OutgoingEvent(TOPIC, str(number), event_id(number), datetime.now(UTC), data)


def _good(number: int) -> Letter:
    return Letter(b"7", FRAME + str(number).encode(), wire.headers(_event(0, number)))


def _with(name: str, value: bytes | None) -> IncomingHeaders:
    return [*(one for one in _good(1).headers if one[0] != name), (name, value)]


def _without(name: str) -> IncomingHeaders:
    return [one for one in _good(1).headers if one[0] != name]


class Poison(NamedTuple):
    key: bytes | None
    headers: IncomingHeaders
    reason: str


POISONS = [
    Poison(None, _good(1).headers, "key: missing"),
    Poison(b"\xff", _good(1).headers, "utf-8"),
    Poison(b"7", [], "header ce_id: missing"),
    *(
        Poison(b"7", _without(name), f"header {name}: missing")
        for name in ("ce_id", "ce_time", "ce_type", "ce_source")
    ),
    *(
        Poison(b"7", _with(name, None), "without a value")
        for name in ("ce_id", "ce_time", "ce_type", "ce_source")
    ),
    *(
        Poison(b"7", _with(name, b"\xff"), "utf-8")
        for name in ("ce_id", "ce_time", "ce_type", "ce_source")
    ),
    Poison(b"7", _with("ce_id", b"seven"), "UUID"),
    Poison(b"7", _with("ce_time", b"yesterday"), "isoformat"),
    Poison(b"7", _with("ce_time", b"2026-11-20T09:00:00"), "time zone"),
]


@pytest.mark.parametrize("poison", POISONS, ids=lambda one: one.reason)
def test_what_the_service_finds_wrong_with_key_and_headers_the_peers_find_wrong(
    poison: Poison,
) -> None:
    with pytest.raises(Undecodable):
        event_from_record(TOPIC, 0, 0, poison.key, poison.headers, {})
    with pytest.raises(PoisonError, match=poison.reason):
        deadletter.checked(poison.key, poison.headers)


def test_an_event_that_the_service_takes_is_taken_with_the_same_id() -> None:
    key, _, headers = _good(1)
    event = event_from_record(TOPIC, 0, 0, key, headers, {})
    assert deadletter.checked(key, headers) == event.id == UUID(str(event_id(1)))


@pytest.mark.parametrize("value", [None, b"", FRAME, b"\x01" + FRAME[1:] + b"1", FRAME + b"one"])
def test_a_value_that_does_not_decode_is_buried_and_the_rest_of_its_batch_told(
    value: bytes | None,
) -> None:
    batch = [_good(1), _good(2)._replace(value=value), _good(3)]
    memory: Any = InMemory(Counting())
    asyncio.run(memory.take(consumed(TOPIC, batch)))
    assert [one.data for one in memory.told] == [
        {"have": 1, "number": 1},
        {"have": 2, "number": 3},
    ]
    (dead,) = memory.dead
    assert (dead.key, dead.value) == (b"7", value)
    assert dict(dead.headers)["dlt_reason"].startswith(b"value: ")


def test_a_record_with_a_bad_header_is_buried_as_it_came_and_says_why_and_whence() -> None:
    poison = Letter(b"7", FRAME + b"2", list(_with("ce_id", b"seven")))  # type: ignore[arg-type]
    memory: Any = InMemory(Counting())
    asyncio.run(memory.take(consumed(TOPIC, [_good(1), poison, _good(3)])))
    assert [one.data["number"] for one in memory.told] == [1, 3]
    (dead,) = memory.dead
    assert dead.headers[: len(poison.headers)] == poison.headers
    added = dict(dead.headers[len(poison.headers) :])
    assert datetime.fromisoformat(added.pop("dlt_time").decode()).tzinfo is not None
    assert b"UUID" in added.pop("dlt_reason")
    assert added == {
        "dlt_topic": TOPIC.encode(),
        "dlt_partition": b"0",
        "dlt_offset": b"1",
        "dlt_group": b"sensors",
    }


def test_the_dead_letters_are_the_departments_own() -> None:
    assert deadletter.topic(TOPIC) == dead_letter_topic(TOPIC, "sensors")


class _State(dict[str, bytes]):
    def get_bytes(self, key: str) -> bytes | None:
        return self.get(key)

    def set_bytes(self, key: str, value: bytes) -> None:
        self[key] = value


def test_quixstreams_state_is_as_before_after_a_record_that_can_never_be_handled() -> None:
    stateful, state = Stateful(Counting()), _State()
    key, value, headers = _good(1)
    stateful.take(value, key, headers, state)
    for poison in (
        Letter(key, b"bad", headers),
        Letter(None, value, headers),
        Letter(key, value, []),
    ):
        with pytest.raises(PoisonError):
            stateful.take(poison.value, poison.key, poison.headers, state)
    assert [one.data["have"] for one in stateful.take(value, key, headers, state)] == [2]
