"""Alarms do not depend on the order in which detections come: decision 0010."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgspec
from cameras.alarms import alarm
from cameras.alarms.alarm import Alarm, Site, alarm_id
from cameras.alarms.ledger import Ledger
from cameras.alarms.rulebook import Rulebook, Terms, instant, micros
from cameras.alarms.rules import Rule, RuleSet, check
from cameras.alarms.store_rules import Rules
from cameras.alarms.store_watches import Stored
from cameras.alarms.stream import Detections, fold, sort
from cameras.alarms.telemetry import Metrics
from cameras.alarms.watch import CAUSES, Watch
from city_backbone.events import Event, event_id
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.metrics import NoOpMeterProvider

KIND = "LOITERING"
SITE = Site("park-0001", "의정부역 공원", 37.73, 127.04)
KEY = (SITE.site_id, KIND)
# Ten seconds before 22:00 in Seoul, when another rule begins.
START = datetime(2026, 11, 21, 12, 59, 50, tzinfo=UTC)
STEP = timedelta(seconds=0.25)
LATENESS = 8
"""In steps."""


def rule(rule_id: str, dwell: float, gap: float, witness: float, **more: Any) -> Rule:
    return Rule(
        rule_id,
        KIND,
        min_confidence=0.6,
        dwell_seconds=dwell,
        gap_seconds=gap,
        witness_seconds=witness,
        urgency="URGENT",
        escalate_after_seconds=5,
        **more,
    )


FIRST = RuleSet(
    1,
    datetime(1970, 1, 1, tzinfo=UTC),
    lateness_seconds=LATENESS * STEP.total_seconds(),
    forget_seconds=6,
    rules=(
        rule("school", 2, 1, 5, purposes=("CHILD_PROTECTION",)),
        rule("night", 4, 2, 6, from_time="22:00", to_time="06:00"),
        rule("day", 9, 3, 5),
    ),
)
SECOND = RuleSet(
    2,
    START + timedelta(seconds=25),
    lateness_seconds=LATENESS * STEP.total_seconds(),
    forget_seconds=8,
    rules=(
        rule("school", 3, 2, 7, purposes=("CHILD_PROTECTION",)),
        rule("night", 5, 1.5, 5, from_time="22:00", to_time="06:00"),
        rule("day", 9, 3, 5),
    ),
)
RULES = Rulebook([FIRST, SECOND])


class Seen(NamedTuple):
    """A detection; `at` in steps after START."""

    at: int
    camera: str
    track: str
    confidence: float

    @property
    def purpose(self) -> str:
        return "CHILD_PROTECTION" if self.camera == "c" else "PARK"

    @property
    def id(self) -> UUID:
        return event_id("detection", self.camera, KIND, self.track, self.at)

    @property
    def micros(self) -> int:
        return micros(START + self.at * STEP)


def event(seen: Seen, offset: int) -> Event:
    time = START + seen.at * STEP
    data = {
        "detection_id": str(seen.id),
        "camera_id": seen.camera,
        "site_id": SITE.site_id,
        "purpose": seen.purpose,
        "kind": KIND,
        "track_id": seen.track,
        "confidence": seen.confidence,
        "detected_at": time,
    }
    topic = "cameras.object-detected.v1"
    return Event(
        seen.id, topic, 0, offset, SITE.site_id, topic, "/citymesh/cameras", "", time, data
    )


def run(batches: Iterable[Sequence[Event]]) -> tuple[dict[UUID, Alarm], int]:
    """The alarms in the end, and how many detections were refused; the state is saved between."""
    alarms: dict[UUID, Alarm] = {}
    refused, state, last_offset = 0, b"", -1
    for batch in batches:
        watch = msgspec.msgpack.decode(state, type=Watch) if state else Watch()
        stored = Stored(watch, last_offset, state)
        watched, outcomes = sort(batch, RULES)
        confirmed, refusals = fold({KEY: stored}, watched, outcomes)
        refused += len(refusals)
        for number, news in confirmed.get(KEY, {}).items():
            identity = alarm_id(*KEY, number)
            before = alarms.get(identity)
            assert (before is None) is news[0].raised
            if before is None:
                alarms[identity] = alarm.raised(SITE, KIND, news, RULES, START)
            else:
                alarms[identity] = before.joined(news, RULES, START)
        state, last_offset = msgspec.msgpack.encode(watch), stored.last_offset
    return alarms, refused


def final(alarms: Iterable[Alarm]) -> list[tuple[Any, ...]]:
    """What must be the same in every order: not how many revisions it took."""
    return sorted(
        (
            str(one.id),
            one.number,
            one.kind,
            one.site.site_id,
            one.occurred_at,
            one.persisted_at,
            [(w.first_detected_at, w.camera_id, w.track_id) for w in one.witnesses],
            one.detection_ids,
            one.rule_id,
            one.rule_version,
            one.purpose,
            one.urgency,
            one.escalates_at,
        )
        for one in alarms
    )


class Persisted(NamedTuple):
    persisted_at: int
    since: int
    camera: str
    track: str
    terms: Terms
    causes: tuple[str, ...]


def oracle(detections: Iterable[Seen]) -> list[tuple[Any, ...]]:
    """The alarms by the definition alone, all detections known beforehand."""
    tracks: dict[tuple[str, str], set[Seen]] = {}
    for one in detections:
        terms = RULES.pick(KIND, one.purpose, one.micros)
        if terms is not None and one.confidence >= terms.min_confidence:
            tracks.setdefault((one.camera, one.track), set()).add(one)
    persisted = sorted(
        first
        for seen in tracks.values()
        for appearance in chains(sorted(seen), "forget")
        if (first := first_persistent(appearance)) is not None
    )
    groups: list[list[Persisted]] = []
    for found in persisted:
        anchor = groups[-1][0] if groups else None
        if anchor and found.persisted_at - anchor.persisted_at <= anchor.terms.witness:
            groups[-1].append(found)
        else:
            groups.append([found])
    return sorted(
        (
            str(alarm_id(*KEY, number)),
            number,
            KIND,
            SITE.site_id,
            instant(group[0].since),
            instant(group[0].persisted_at),
            sorted((instant(member.since), member.camera, member.track) for member in group),
            group[0].causes,
            group[0].terms.rule_id,
            group[0].terms.version,
            "CHILD_PROTECTION" if group[0].camera == "c" else "PARK",
            "URGENT",
            START + timedelta(seconds=5),
        )
        for number, group in enumerate(groups, 1)
    )


def chains(seen: Sequence[Seen], reach: str) -> list[list[Seen]]:
    """Cut where the next one is beyond the reach, gap or forget, of all before it."""
    found: list[list[Seen]] = []
    until = -1
    for one in seen:
        if one.micros > until:
            found.append([])
        found[-1].append(one)
        terms = RULES.pick(KIND, one.purpose, one.micros)
        until = max(until, one.micros + getattr(terms, reach))
    return found


def first_persistent(appearance: Sequence[Seen]) -> Persisted | None:
    for seen in chains(appearance, "gap"):
        first, last = seen[0], seen[-1]
        terms = RULES.pick(KIND, first.purpose, first.micros)
        assert terms is not None
        until = first.micros + terms.dwell
        if last.micros >= until:
            settled = until - terms.lateness
            causes = [str(one.id) for one in seen if one is first or one.micros < settled]
            return Persisted(
                until, first.micros, first.camera, first.track, terms, tuple(causes[:CAUSES])
            )
    return None


def track(random: Random) -> list[Seen]:
    """A track seen for a while, again and again; pauses are about as long as rules allow."""
    camera, name = random.choice("abc"), random.choice("123")
    at, seen = random.randint(0, 48), list[Seen]()
    for _ in range(random.randint(1, 4)):
        step = random.choice([1, 2, 3, 4, 6, 8])
        for _ in range(random.randint(1, 24)):
            seen.append(Seen(at, camera, name, 0.6 if random.random() < 0.9 else 0.59))
            at += step
        at += random.choice([1, 2, 4, 6, 8, 12, 20, 24, 32]) + random.randint(0, 1) - step
    return seen


def arrivals(random: Random) -> tuple[list[Seen], list[list[Seen]]]:
    """Detections, and batches of them in any order within the lateness, some more than once."""
    tracks = [track(random) for _ in range(random.randint(1, 7))]
    unique = {(one.at, one.camera, one.track): one for seen in tracks for one in seen}
    detections = sorted(unique.values())
    repeats = random.choices(detections, k=random.randrange(6))
    come = [
        (one.at + random.choice([0, LATENESS, random.randint(0, LATENESS)]), random.random(), one)
        for one in [*detections, *repeats]
    ]
    order = [one for _, _, one in sorted(come, key=lambda entry: entry[:2])]
    share = random.choice([0.0, 0.1, 1.0])
    cuts = [place for place in range(1, len(order)) if random.random() < share]
    return detections, [order[first:last] for first, last in pairwise([0, *cuts, len(order)])]


SEEDS = st.integers(0, 2**32).map(Random)


def numbered(batches: Iterable[Sequence[Seen]]) -> list[list[Event]]:
    offset, result = 0, []
    for batch in batches:
        result.append([event(one, offset + place) for place, one in enumerate(batch)])
        offset += len(batch)
    return result


def test_the_rules_of_this_test_may_be_put() -> None:
    check(FIRST)
    check(SECOND, FIRST)


@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_any_order_within_the_lateness_gives_the_alarms_of_the_definition(
    random: Random,
) -> None:
    detections, batches = arrivals(random)
    expected = oracle(detections)
    in_order, none_refused = run(numbered([detections]))
    assert final(in_order.values()) == expected
    assert none_refused == 0
    out_of_order, refused = run(numbered(batches))
    assert final(out_of_order.values()) == expected
    assert refused == 0


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_batches_that_come_again_change_and_refuse_nothing(
    random: Random,
) -> None:
    """As after a crash between the commit and the acknowledgement: from some offset on, all."""
    detections, batches = arrivals(random)
    events = numbered(batches)
    upto = random.randint(0, len(events))
    again = random.randint(0, upto)
    alarms, refused = run([*events[:upto], *events[again:]])
    assert final(alarms.values()) == oracle(detections)
    assert refused == 0


def test_a_late_detection_that_links_a_run_to_a_confirmed_appearance_makes_it_no_news() -> None:
    def seen(*times: int) -> list[Seen]:
        return [Seen(at, "c", "1", 0.9) for at in times]

    appearance, after, link, later = seen(*range(9)), seen(38, 39), seen(32), seen(*range(60, 72))
    detections = sorted([*appearance, *after, *link, *later])
    assert len(oracle(detections)) == 1
    assert len(oracle([*appearance, *after, *later])) == 2
    alarms, refused = run(numbered([[*appearance, *after], link, later]))
    assert final(alarms.values()) == oracle(detections)
    assert refused == 0


class Known(Rules):
    """Rules that a replica has read, or has to read again."""

    def __init__(self, book: Rulebook | None) -> None:
        self._told = book

    def known(self) -> Rulebook | None:
        return self._told


def judging(book: Rulebook | None) -> Detections:
    """What a replica that knows these rules says of detections it has not handled."""
    metrics = Metrics(NoOpMeterProvider().get_meter("trial"))
    return Detections(Known(book), cast(Ledger, None), metrics, lambda: START)


def relevant(events: Sequence[Event], book: Rulebook | None) -> Sequence[Event]:
    return judging(book).relevant(events)


@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from([0.3, 0.9]), st.booleans())))
def test_what_is_left_out_as_not_relevant_changes_nothing(
    some: list[tuple[int, float, bool]],
) -> None:
    events = [event(Seen(at, "a", "1", sure), offset) for offset, (at, sure, _) in enumerate(some)]
    for one, (_, _, other) in zip(events, some, strict=True):
        one.data["kind"] = "PERSON" if other else KIND
    kept = relevant(events, RULES)
    assert sort(kept, RULES).watched == sort(events, RULES).watched
    assert len(kept) == sum(map(len, sort(events, RULES).watched.values()))
    assert relevant(events, None) == events, "rules that are old may have changed"


def test_urgent_is_what_the_rule_says_of_a_detection_that_is_sure_enough() -> None:
    normal = msgspec.structs.replace(
        rule("day", 9, 3, 5), urgency="NORMAL", escalate_after_seconds=None
    )
    rules = FIRST.rules[:2]
    book = Rulebook([msgspec.structs.replace(FIRST, rules=(*rules, normal))])
    some, child = Seen(0, "a", "1", 0.9), Seen(0, "c", "1", 0.9)
    assert judging(RULES).urgent([event(some, 0)])
    by_day = judging(book)
    assert not by_day.urgent([event(some, 0)])
    assert by_day.urgent([event(some, 0), event(child, 1)])
    assert not by_day.urgent([event(child._replace(confidence=0.5), 0)])
    assert by_day.urgent([event(some._replace(at=40), 0)]), "ten seconds later it is night"
    assert judging(None).urgent([event(some, 0)]), "rules that are old may have changed"
