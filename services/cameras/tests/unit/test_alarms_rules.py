"""Sets of rules: what fits when, and what may not be put."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cameras.alarms.rulebook import Rulebook, instant, micros
from cameras.alarms.rules import KINDS, Rule, RuleSet, check
from cameras.alarms.store_rules import shipped
from cameras.errors import Invalid

SEOUL = timedelta(hours=9)
SHIPPED = Rulebook([shipped()])


def in_seoul(time: str, day: int = 21) -> int:
    """µs since 1970."""
    hours, minutes, *rest = (float(part) for part in time.split(":"))
    seconds = rest[0] if rest else 0.0
    at = datetime(2026, 11, day, tzinfo=UTC) - SEOUL
    return micros(at + timedelta(hours=hours, minutes=minutes, seconds=seconds))


def picked(book: Rulebook, kind: str, purpose: str, time: str, day: int = 21) -> str | None:
    terms = book.pick(kind, purpose, in_seoul(time, day))
    return None if terms is None else terms.rule_id


@pytest.mark.parametrize(
    ("kind", "purpose", "time", "rule"),
    [
        ("FIRE", "VEHICLE", "12:00", "fire"),
        ("INTRUSION", "PARK", "22:59:59.999999", None),
        ("INTRUSION", "PARK", "23:00", "intrusion-park-night"),
        ("INTRUSION", "PARK", "00:00", "intrusion-park-night"),
        ("INTRUSION", "PARK", "04:59:59.999999", "intrusion-park-night"),
        ("INTRUSION", "PARK", "05:00", None),
        ("INTRUSION", "VEHICLE", "23:30", "intrusion"),
        ("LOITERING", "CHILD_PROTECTION", "07:00", "loitering-school"),
        ("LOITERING", "CHILD_PROTECTION", "06:59:59", "loitering"),
        ("LOITERING", "CHILD_PROTECTION", "19:00", "loitering"),
        ("LOITERING", "PARK", "22:00", "loitering-night"),
        ("LOITERING", "PARK", "05:59:59", "loitering-night"),
        ("UNKNOWN", "PARK", "12:00", None),
        ("FIRE", "UNKNOWN", "12:00", None),
    ],
)
def test_the_first_rule_that_fits_decides(
    kind: str, purpose: str, time: str, rule: str | None
) -> None:
    assert picked(SHIPPED, kind, purpose, time) == rule


@pytest.mark.parametrize(
    ("kind", "purpose", "time", "confidence", "urgent"),
    [
        ("FIRE", "VEHICLE", "12:00", 0.6, True),
        ("FIRE", "VEHICLE", "12:00", 0.59, False),
        ("ABANDONMENT", "PARK", "12:00", 0.9, False),
        ("INTRUSION", "VEHICLE", "23:30", 0.9, False),
        ("INTRUSION", "PARK", "22:59:59.999999", 0.9, False),
        ("INTRUSION", "PARK", "23:00", 0.9, True),
        ("LOITERING", "CHILD_PROTECTION", "18:59:59", 0.9, True),
        # By the rule of 70 s before, when a run began that needs 60 s and may have a gap of 10.
        ("LOITERING", "CHILD_PROTECTION", "19:00:00", 0.9, True),
        ("LOITERING", "CHILD_PROTECTION", "19:01:09.999999", 0.9, True),
        ("LOITERING", "CHILD_PROTECTION", "19:01:09.999999", 0.5, False),
        ("LOITERING", "CHILD_PROTECTION", "19:01:10", 0.9, False),
    ],
)
def test_urgent_is_what_an_urgent_alarm_can_come_of(
    kind: str, purpose: str, time: str, confidence: float, urgent: bool
) -> None:
    assert SHIPPED.urgent(kind, purpose, in_seoul(time), confidence) is urgent


def test_the_shipped_set_has_a_rule_for_every_kind() -> None:
    assert {rule.kind for rule in shipped().rules} == set(KINDS)


def test_a_set_is_in_force_from_its_time_and_muted_means_no_alarm() -> None:
    first = shipped()
    begins = datetime(2026, 11, 21, 3, tzinfo=UTC)
    quiet = Rule("quiet", "FIRE", muted=True)
    second = RuleSet(2, begins, 2, 600, (quiet, *first.rules))
    check(second, first)
    book = Rulebook([first, second])
    before = book.pick("FIRE", "PARK", micros(begins) - 1)
    assert before is not None
    assert (before.rule_id, before.version) == ("fire", 1)
    assert book.pick("FIRE", "PARK", micros(begins)) is None
    assert book.in_force(begins) is second
    assert book.in_force(begins - timedelta(microseconds=1)) is first
    assert book.in_force(datetime(1969, 1, 1, tzinfo=UTC)) is None
    assert book.terms(2, "fall").dwell == 10_000_000


def test_times_are_exact_to_the_microsecond() -> None:
    for at in (0, 1, 1_795_052_096_123_457, 253_402_300_799_999_999):
        assert micros(instant(at)) == at


def changed(place: int = 0, **fields: Any) -> RuleSet:
    rules = list(shipped().rules)
    rules[place] = msgspec.structs.replace(rules[place], **fields)
    return msgspec.structs.replace(shipped(), rules=tuple(rules))


@pytest.mark.parametrize(
    ("rules", "field", "words"),
    [
        (changed(rule_id="Fire"), "rules[0].rule_id", "a-z"),
        (changed(rule_id="fall"), "rules[fall].rule_id", "once"),
        (changed(kind="FLOOD"), "rules[fire].kind", "FIRE"),
        (changed(purposes=("SEA",)), "rules[fire].purposes", "PARK"),
        (changed(from_time="10:00"), "rules[fire].to_time", "both"),
        (changed(from_time="10:00", to_time="24:00"), "rules[fire].to_time", "23:59"),
        (changed(min_confidence=1.01), "rules[fire].min_confidence", "0 to 1"),
        (changed(min_confidence=float("nan")), "rules[fire].min_confidence", "0 to 1"),
        (changed(dwell_seconds=1.999), "rules[fire].dwell_seconds", "lateness"),
        (changed(gap_seconds=-1), "rules[fire].gap_seconds", "0 to"),
        (changed(witness_seconds=4.999), "rules[fire].witness_seconds", "gap plus lateness"),
        (changed(escalate_after_seconds=None), "rules[fire].escalate_after_seconds", "URGENT"),
        (changed(urgency="NORMAL"), "rules[fire].escalate_after_seconds", "URGENT"),
        # The longest gap of the kind counts, not only the rule's own.
        (changed(5, gap_seconds=29), "rules[intrusion-park-night].witness_seconds", "31"),
        (msgspec.structs.replace(shipped(), lateness_seconds=61), "lateness_seconds", "60"),
        (msgspec.structs.replace(shipped(), forget_seconds=12), "forget_seconds", "gap"),
        (msgspec.structs.replace(shipped(), rules=()), "rules", "1 to 500"),
    ],
)
def test_what_may_not_be_put_is_named(rules: RuleSet, field: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(rules)
    assert caught.value.field == f"rule_set.{field}"
    assert words in caught.value.expected


def test_a_set_must_go_with_the_one_before() -> None:
    short = msgspec.structs.replace(
        changed(witness_seconds=4, gap_seconds=1, dwell_seconds=1, escalate_after_seconds=0),
        lateness_seconds=1,
    )
    check(short)
    with pytest.raises(Invalid, match="lateness_seconds: expected at most the dwell of rule fire"):
        check(shipped(), short)
    with pytest.raises(Invalid, match=r"rules\[fire\].witness_seconds"):
        check(short, shipped())
    wide = msgspec.structs.replace(short.rules[0], dwell_seconds=4, witness_seconds=4)
    before = msgspec.structs.replace(short, rules=(wide, *short.rules[1:]))
    with pytest.raises(Invalid, match="rule fire in the version before has 4 witness_seconds"):
        check(shipped(), before)
