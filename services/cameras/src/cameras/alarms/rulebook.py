"""Which rule decides about a detection: looked up for each of them, so made ready beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cameras.alarms.rules import PURPOSES, Rule, RuleSet, Urgency

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_MINUTES_PER_DAY = 24 * 60
_SEOUL_MINUTES = 9 * 60  # Korea has had no summer time since 1988


@dataclass(frozen=True, slots=True)
class Terms:
    """A rule made ready; durations in microseconds, `escalate_after` None where it never does."""

    version: int
    rule_id: str
    min_confidence: float
    dwell: int
    gap: int
    witness: int
    lateness: int
    forget: int
    urgency: Urgency
    escalate_after: timedelta | None


class _Compiled:
    def __init__(self, rules: RuleSet) -> None:
        self.effective_from = micros(rules.effective_from)
        # Per kind and purpose: the windows of time, in the order of the rules, until one is always.
        self.windows: dict[tuple[str, str], list[tuple[int, int, Terms | None]]] = {}
        self.terms: dict[str, Terms] = {}
        for rule in rules.rules:
            terms = None if rule.muted else _terms(rules, rule)
            if terms is not None:
                self.terms[rule.rule_id] = terms
            first, last = _minute(rule.from_time), _minute(rule.to_time)
            for purpose in rule.purposes or PURPOSES:
                windows = self.windows.setdefault((rule.kind, purpose), [])
                windows.append((first, last, terms))


class Rulebook:
    """All versions of the rules, each in force from its time to the next one's."""

    def __init__(self, sets: Sequence[RuleSet]) -> None:
        """At least one, in the order of versions, which is that of their times."""
        self.sets = tuple(sets)
        self._compiled = [_Compiled(one) for one in sets]
        self._latest_first = self._compiled[::-1]
        # How long ago a run began at most that an urgent rule's dwell ends now.
        self._reach: dict[tuple[str, str], int] = {}
        for compiled in self._compiled:
            for place, windows in compiled.windows.items():
                for _, _, terms in windows:
                    if terms is not None and terms.urgency == "URGENT":
                        longest = max(self._reach.get(place, 0), terms.dwell + terms.gap)
                        self._reach[place] = longest

    def pick(self, kind: str, purpose: str, at: int) -> Terms | None:
        """The first rule that fits at `at`, microseconds since 1970; None: no alarm comes of it."""
        for compiled in self._latest_first:
            if at >= compiled.effective_from:
                break
        else:
            return None
        windows = compiled.windows.get((kind, purpose))
        if windows is None:
            return None
        minute = (at // _MINUTE + _SEOUL_MINUTES) % _MINUTES_PER_DAY
        for first, last, terms in windows:
            if first < last:
                if first <= minute < last:
                    return terms
            elif minute >= first or minute < last:
                return terms
        return None

    def urgent(self, kind: str, purpose: str, at: int, confidence: float) -> bool:
        """Whether the rule that takes such a detection is one of those for 112 and 119, or was when
        a run of detections began that this one may confirm: what a run needs its first decides."""
        reach = self._reach.get((kind, purpose))
        if reach is None:
            return False
        now = self.pick(kind, purpose, at)
        if now is None or confidence < now.min_confidence:
            return False
        before = now if now.urgency == "URGENT" else self.pick(kind, purpose, at - reach)
        return before is not None and before.urgency == "URGENT"

    def terms(self, version: int, rule_id: str) -> Terms:
        """Of a rule that was picked once."""
        return self._compiled[version - self.sets[0].version].terms[rule_id]

    def in_force(self, at: datetime) -> RuleSet | None:
        """The set in force at `at`; None before the first."""
        return next((one for one in reversed(self.sets) if one.effective_from <= at), None)


def micros(instant: datetime) -> int:
    """Microseconds since 1970, exactly."""
    since = instant - EPOCH
    return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds


def instant(at: int) -> datetime:
    """The inverse of micros; aware UTC."""
    return EPOCH + timedelta(microseconds=at)


def _minute(text: str) -> int:
    """Of "HH:MM"; both ends 0 is always."""
    return int(text[:2]) * 60 + int(text[3:]) if text else 0


def _terms(rules: RuleSet, rule: Rule) -> Terms:
    after = rule.escalate_after_seconds
    return Terms(
        version=rules.version,
        rule_id=rule.rule_id,
        min_confidence=rule.min_confidence,
        dwell=_duration(rule.dwell_seconds),
        gap=_duration(rule.gap_seconds),
        witness=_duration(rule.witness_seconds),
        lateness=_duration(rules.lateness_seconds),
        forget=_duration(rules.forget_seconds),
        urgency=rule.urgency,
        escalate_after=None if after is None else timedelta(seconds=after),
    )


def _duration(seconds: float) -> int:
    return round(seconds * _SECOND)
