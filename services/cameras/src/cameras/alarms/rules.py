"""Sets of rules as operators write them, and what every set must hold to."""

import re
from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from typing import Literal

import msgspec

from cameras.errors import Invalid

KINDS = (
    "LOITERING",
    "INTRUSION",
    "ABANDONMENT",
    "FIGHT",
    "ARSON",
    "FALL",
    "DROWNING",
    "MISSING_PERSON",
    "FIRE",
)
PURPOSES = ("LIVING_AREA_SECURITY", "PARK", "VEHICLE", "CHILD_PROTECTION")
Urgency = Literal["URGENT", "NORMAL"]

_MAX_RULES = 500
_MAX_SECONDS = 24 * 3600.0
_MAX_LATENESS = 60.0
_RULE_ID = re.compile(r"[a-z0-9-]{1,64}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """As `Rule` of alarm.proto; kinds and purposes as in the events' schemas."""

    rule_id: str
    kind: str
    purposes: tuple[str, ...] = ()
    from_time: str = ""
    to_time: str = ""
    muted: bool = False
    min_confidence: float = 0.0
    dwell_seconds: float = 0.0
    gap_seconds: float = 0.0
    witness_seconds: float = 0.0
    urgency: Urgency = "NORMAL"
    escalate_after_seconds: float | None = None


class RuleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In force from `effective_from`, aware UTC, until the next version is."""

    version: int
    effective_from: datetime
    lateness_seconds: float
    forget_seconds: float
    rules: tuple[Rule, ...]


def check(new: RuleSet, before: RuleSet | None = None) -> None:
    """Raises Invalid naming the rule and its field.

    What is asked beyond ranges is what makes alarms independent of the order in which detections
    come (decision 0010). It must hold between a set and the one `before` it too, because a track
    may begin under one and persist under the other.
    """
    _range("rule_set.lateness_seconds", new.lateness_seconds, 0, _MAX_LATENESS)
    _range("rule_set.forget_seconds", new.forget_seconds, 0, _MAX_SECONDS)
    if not 1 <= len(new.rules) <= _MAX_RULES:
        raise Invalid("rule_set.rules", f"expected 1 to {_MAX_RULES}, got {len(new.rules)}")
    seen: set[str] = set()
    for rule in new.rules:
        if not _RULE_ID.fullmatch(rule.rule_id):
            raise Invalid(
                f"rule_set.rules[{len(seen)}].rule_id",
                f"expected 1 to 64 of a-z, 0-9 and hyphen, got {rule.rule_id!r}",
            )
        if rule.rule_id in seen:
            raise Invalid(_field(rule, "rule_id"), "expected each once")
        seen.add(rule.rule_id)
        _check_rule(rule)
    _check_order(new, before)


def _check_rule(rule: Rule) -> None:
    if rule.kind not in KINDS:
        raise Invalid(_field(rule, "kind"), f"expected one of {', '.join(KINDS)}")
    for purpose in rule.purposes:
        if purpose not in PURPOSES:
            raise Invalid(_field(rule, "purposes"), f"expected of {', '.join(PURPOSES)}")
    if bool(rule.from_time) != bool(rule.to_time):
        missing = "to_time" if rule.from_time else "from_time"
        raise Invalid(_field(rule, missing), "expected both from_time and to_time, or neither")
    for name in ("from_time", "to_time"):
        text = getattr(rule, name)
        if text and not _TIME.fullmatch(text):
            raise Invalid(_field(rule, name), f"expected HH:MM, 00:00 to 23:59, got {text!r}")
    if rule.muted:
        return
    _range(_field(rule, "min_confidence"), rule.min_confidence, 0, 1)
    for name in ("dwell_seconds", "gap_seconds", "witness_seconds"):
        _range(_field(rule, name), getattr(rule, name), 0, _MAX_SECONDS)
    field = _field(rule, "escalate_after_seconds")
    if rule.urgency == "URGENT":
        if rule.escalate_after_seconds is None:
            raise Invalid(field, "expected with urgency URGENT: 0 or more seconds")
        _range(field, rule.escalate_after_seconds, 0, _MAX_SECONDS)
    elif rule.escalate_after_seconds is not None:
        raise Invalid(field, "expected only with urgency URGENT")


def _check_order(new: RuleSet, before: RuleSet | None) -> None:
    sets = [new] if before is None else [before, new]
    lateness = max(one.lateness_seconds for one in sets)
    for rule in _live(new):
        if rule.dwell_seconds < new.lateness_seconds:
            raise Invalid(
                _field(rule, "dwell_seconds"),
                f"expected at least the lateness, {new.lateness_seconds:g},"
                f" got {rule.dwell_seconds:g}",
            )
        gaps = [other.gap_seconds for one in sets for other in _live(one, rule.kind)]
        if rule.witness_seconds < max(gaps) + lateness:
            raise Invalid(
                _field(rule, "witness_seconds"),
                f"expected at least gap plus lateness of every {rule.kind} rule,"
                f" {max(gaps) + lateness:g}, got {rule.witness_seconds:g}",
            )
        if new.forget_seconds <= rule.gap_seconds + lateness:
            raise Invalid(
                "rule_set.forget_seconds",
                f"expected more than gap plus lateness of rule {rule.rule_id},"
                f" {rule.gap_seconds + lateness:g}, got {new.forget_seconds:g}",
            )
    for old in () if before is None else _live(before):
        if old.dwell_seconds < new.lateness_seconds:
            raise Invalid(
                "rule_set.lateness_seconds",
                f"expected at most the dwell of rule {old.rule_id} in the version before,"
                f" {old.dwell_seconds:g}, got {new.lateness_seconds:g}",
            )
        gaps = [rule.gap_seconds for rule in _live(new, old.kind)]
        if gaps and old.witness_seconds < max(gaps) + lateness:
            raise Invalid(
                "rule_set.rules",
                f"expected gaps of {old.kind} rules up to {old.witness_seconds - lateness:g}:"
                f" rule {old.rule_id} in the version before has {old.witness_seconds:g}"
                " witness_seconds",
            )


def _live(one: RuleSet, kind: str = "") -> Iterator[Rule]:
    return (rule for rule in one.rules if not rule.muted and kind in ("", rule.kind))


def _range(field: str, value: float, least: float, most: float) -> None:
    if not isfinite(value) or not least <= value <= most:
        raise Invalid(field, f"expected {least:g} to {most:g}, got {value:g}")


def _field(rule: Rule, name: str) -> str:
    return f"rule_set.rules[{rule.rule_id}].{name}"
