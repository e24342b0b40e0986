"""The contenders of the benchmark do the same: one recorded batch, the same alarms."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby

import pytest
from cameras.alarms import alarm, facts
from cameras.alarms.alarm import Alarm
from cameras.alarms.rulebook import Rulebook
from cameras.alarms.store_rules import shipped
from cameras.alarms.store_watches import Key, Stored
from cameras.alarms.stream import fold, sort
from cameras.alarms.watch import Watch
from city_backbone.events import Event, OutgoingEvent

from loadtests.city.cameras.background import Load
from services.cameras.benchmarks import load, wire
from services.cameras.benchmarks.bare_loop import Memory
from services.cameras.benchmarks.outcome import Alarms, Outcome, tell
from services.cameras.benchmarks.quix import Stateful
from services.cameras.benchmarks.rule import Rule
from services.cameras.benchmarks.stock_faust import Table

BATCH = 500
SITES = load.sites()


@pytest.fixture(scope="module")
def recorded() -> list[OutgoingEvent]:
    """Five minutes of a tenth of the city, with an alarm every three seconds."""
    return load.events(12_000, Load(load.SEED, 0.1, 1200.0))


@pytest.fixture(scope="module")
def expected(recorded: Sequence[OutgoingEvent]) -> Alarms:
    """What the service makes of it."""
    rules, now = Rulebook([shipped()]), datetime.now(UTC)
    stored: dict[Key, Stored] = {}
    alarms: dict[tuple[Key, int], Alarm] = {}
    told: list[OutgoingEvent] = []
    for _, batch in groupby(enumerate(recorded), lambda one: one[0] // BATCH):
        watched, outcomes = sort([_event(offset, one) for offset, one in batch], rules)
        for key in watched:
            stored.setdefault(key, Stored(Watch(), -1, b""))
        confirmed, refusals = fold(stored, watched, outcomes)
        assert refusals == []
        for key, numbers in confirmed.items():
            for number, news in numbers.items():
                before = alarms.get((key, number))
                after = (
                    alarm.raised(SITES[key[0]], key[1], news, rules, now)
                    if before is None
                    else before.joined(news, rules, now)
                )
                alarms[key, number] = after
                told += facts.told(before, after)
    return _alarms(told)


def _event(offset: int, sent: OutgoingEvent) -> Event:
    data = dict(sent.data)
    topic = sent.topic
    return Event(sent.id, topic, 0, offset, sent.key, topic, "", sent.key, sent.time, data)


def _alarms(told: Iterable[OutgoingEvent]) -> Alarms:
    alarms: dict[str, Outcome] = {}
    for event in told:
        tell(alarms, *wire.told(wire.headers(event), wire.encoded(event)))
    return alarms


def test_the_recorded_batch_has_alarms_of_several_kinds_and_witnesses(expected: Alarms) -> None:
    kinds = Counter(one.kind for one in expected.values())
    assert len(kinds) >= 4
    assert {len(one.witnesses) for one in expected.values()} >= {1, 2}


def test_the_bare_loop_agrees(recorded: Sequence[OutgoingEvent], expected: Alarms) -> None:
    memory, told = Memory(Rule(SITES)), []
    for start in range(0, len(recorded), BATCH):
        told += memory.take(wire.encoded(one) for one in recorded[start : start + BATCH])
    assert _alarms(told) == expected


def test_stock_faust_agrees(recorded: Sequence[OutgoingEvent], expected: Alarms) -> None:
    table = Table(Rule(SITES), {})
    assert _alarms(e for one in recorded for e in table.take(wire.encoded(one))) == expected


class _State(dict[str, bytes]):
    """Of one message key."""

    def get_bytes(self, key: str) -> bytes | None:
        return self.get(key)

    def set_bytes(self, key: str, value: bytes) -> None:
        self[key] = value


def test_quixstreams_agrees(recorded: Sequence[OutgoingEvent], expected: Alarms) -> None:
    stateful, states = Stateful(Rule(SITES)), {one.key: _State() for one in recorded}
    told = [e for one in recorded for e in stateful.take(wire.encoded(one), states[one.key])]
    assert _alarms(told) == expected
