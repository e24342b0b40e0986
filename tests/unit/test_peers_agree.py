"""The contenders of loadtests.peers do the same: one recorded batch, the same told by all."""

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any

import msgspec
import pytest
from cameras.alarms import alarm, facts
from cameras.alarms.alarm import Alarm
from cameras.alarms.rulebook import Rulebook
from cameras.alarms.store_rules import shipped
from cameras.alarms.store_watches import Key, Stored
from cameras.alarms.stream import fold, sort
from cameras.alarms.watch import Watch
from city_backbone.events import Event, OutgoingEvent
from sensors.facts import AIR_QUALITY_ASSESSED, HOURLY_MEAN_COMPUTED

from loadtests.city.cameras.background import Load
from loadtests.peers import wire
from loadtests.peers.contender import CONTENDERS
from loadtests.peers.contenders.faust_agent import Table
from loadtests.peers.contenders.quix import Stateful
from loadtests.peers.deadletter import Letter
from loadtests.peers.jobs import city, stage
from loadtests.peers.jobs.alarms_city import CITY, SEED, seen
from loadtests.peers.jobs.city import Outcome
from loadtests.peers.jobs.stage import JOBS, Memory, Stage, places_json
from loadtests.peers.task import Task

BATCH = 500
POISON = bytes(wire.FRAME_BYTES) + b"\xff" * 20
SITES = CITY.places()
FASTSTREAM = next(one for one in CONTENDERS if one.venv == "faststream")


@pytest.fixture(scope="module")
def recorded() -> dict[str, Sequence[OutgoingEvent]]:
    """Of detections five minutes of a tenth of the city, with an alarm every three seconds; of
    readings a day and a half."""
    return {
        "alarms": list(islice(seen(Load(SEED, 0.1, 1200.0)), 12_000)),
        "means": city.of("means").events(20_000),
    }


def _service(recorded: Sequence[OutgoingEvent]) -> list[OutgoingEvent]:
    """What the service makes of detections."""
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
    return told


def _event(offset: int, sent: OutgoingEvent) -> Event:
    data = dict(sent.data)
    topic = sent.topic
    return Event(sent.id, topic, 0, offset, sent.key, topic, "", sent.key, sent.time, data)


def _outcome(job: str, told: Iterable[OutgoingEvent]) -> Outcome:
    return city.of(job).outcome(
        wire.told(wire.headers(event), wire.encoded(event)) for event in told
    )


def _stage(job: str) -> Stage[Any, Any]:
    return stage.create(job, bytes(places_json(city.of(job).places())))


def _loop(of: Stage[Any, Any], recorded: Sequence[OutgoingEvent]) -> list[OutgoingEvent]:
    """The bare loops, of aiokafka and confluent-kafka."""
    memory, told = Memory(of), list[OutgoingEvent]()
    for start in range(0, len(recorded), BATCH):
        told += memory.take(wire.encoded(one) for one in recorded[start : start + BATCH])
    return told


def _faust(of: Stage[Any, Any], recorded: Sequence[OutgoingEvent]) -> list[OutgoingEvent]:
    table = Table(of, {})
    return [event for one in recorded for event in table.take(wire.encoded(one))]


class _State(dict[str, bytes]):
    """Of one message key."""

    def get_bytes(self, key: str) -> bytes | None:
        return self.get(key)

    def set_bytes(self, key: str, value: bytes) -> None:
        self[key] = value


def _quixstreams(of: Stage[Any, Any], recorded: Sequence[OutgoingEvent]) -> list[OutgoingEvent]:
    stateful, states = Stateful(of), {one.key: _State() for one in recorded}
    return [
        event
        for one in recorded
        for event in stateful.take(
            wire.encoded(one), one.key.encode(), wire.headers(one), states[one.key]
        )
    ]


def _faststream(
    job: str, recorded: Sequence[OutgoingEvent]
) -> tuple[list[wire.Record], list[Letter]]:
    """FastStream's subscriber, under FastStream's own test broker; among the records two that can
    never be handled, one by its value and one by a header."""
    cores = sorted(os.sched_getaffinity(0))
    places = places_json(city.of(job).places())
    what = Task(
        job, city.of(job).topic, 3, len(recorded), "", job, "none", "", "", "", cores, "", 0, places
    )
    letters = [Letter(one.key.encode(), wire.encoded(one), wire.headers(one)) for one in recorded]
    letters.insert(BATCH // 2, letters[0]._replace(value=POISON))
    letters.insert(BATCH // 2 + 1, letters[0]._replace(headers=[("ce_id", b"\xff")]))
    batches = [letters[start : start + BATCH] for start in range(0, len(letters), BATCH)]
    process = FASTSTREAM.start({}, "faststream_told")
    given = msgspec.json.encode(what) + b"\n" + msgspec.msgpack.encode(batches)
    out, error = process.communicate(given, timeout=120)
    assert process.returncode == 0, error.decode()
    return msgspec.msgpack.decode(out, type=tuple[list[wire.Record], list[Letter]])


def test_the_loop_makes_the_alarms_that_the_service_makes(
    recorded: dict[str, Sequence[OutgoingEvent]],
) -> None:
    expected = _outcome("alarms", _service(recorded["alarms"]))
    kinds = Counter(one.kind for one in expected.values())
    assert len(kinds) >= 4
    assert {len(one.witnesses) for one in expected.values()} >= {1, 2}
    assert _outcome("alarms", _loop(_stage("alarms"), recorded["alarms"])) == expected


def test_the_recorded_readings_have_means_and_assessments_of_many_hours(
    recorded: dict[str, Sequence[OutgoingEvent]],
) -> None:
    expected: Any = _outcome("means", _loop(_stage("means"), recorded["means"]))
    topics = Counter(topic for topic, *_ in expected)
    assert topics[HOURLY_MEAN_COMPUTED] > 2_000
    assert topics[AIR_QUALITY_ASSESSED] > 2_000
    assert {len(told) for told in expected.values()} == {1}


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("contender", [_faust, _quixstreams])
def test_event_by_event_makes_what_the_loop_makes(
    job: str,
    contender: Callable[[Stage[Any, Any], Sequence[OutgoingEvent]], list[OutgoingEvent]],
    recorded: dict[str, Sequence[OutgoingEvent]],
) -> None:
    expected = _outcome(job, _loop(_stage(job), recorded[job]))
    assert _outcome(job, contender(_stage(job), recorded[job])) == expected


@pytest.mark.timeout(300)
def test_faststream_makes_of_batches_what_the_loop_makes_and_buries_what_it_cannot_read(
    recorded: dict[str, Sequence[OutgoingEvent]],
) -> None:
    # Both jobs in one test, because workers of the suite must not install it beside each other.
    try:
        FASTSTREAM.prepare()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"FastStream cannot be installed, that it agrees was NOT tested: {error}")
    for job in JOBS:
        expected = _outcome(job, _loop(_stage(job), recorded[job]))
        told, dead = _faststream(job, recorded[job])
        assert city.of(job).outcome(wire.told(*one) for one in told) == expected
        added = [dict(one.headers) for one in dead]
        offsets = [str(BATCH // 2 + place).encode() for place in range(2)]
        assert [one["dlt_offset"] for one in added] == offsets
        assert [one["dlt_reason"].split(b":")[0] for one in added] == [b"value", b"headers"]
