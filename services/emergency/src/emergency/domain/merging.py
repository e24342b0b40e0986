"""Alarms of one place and moment are one incident.

An alarm joins the nearest open incident of alarms whose position (that of the alarm which opened
it) is within `metres`, and whose newest alarm occurred within `seconds` before or after this one;
else it opens one. Alarms are taken one by one and each makes one revision, so it does not matter
how a topic was cut into batches. Distances are from the place where the incident was opened, so a
row of alarms along a street does not draw one incident through the city.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from emergency.domain import dispatch
from emergency.domain.alarm import SOURCE, Alarm
from emergency.domain.dispatch import DispatchRule, DispatchRules
from emergency.domain.incident import OPEN, Facts, Incident, Source, Status
from emergency.domain.place import distance_metres
from emergency.domain.scsns import seoul

_MOST_LISTED = 20
_LONGEST_DESCRIPTION = 4000
_BETWEEN_TITLES = ", "


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is one place and one moment."""

    metres: float
    seconds: float

    @property
    def moment(self) -> timedelta:
        """How far apart two alarms of one moment may have occurred."""
        return timedelta(seconds=self.seconds)


class Merging:
    """Takes alarms one after the other; `incidents` are the ones they may join, and grow."""

    def __init__(
        self, rules: DispatchRules, bounds: Bounds, incidents: Mapping[UUID, Incident]
    ) -> None:
        self._rules = rules
        self._bounds = bounds
        self._incidents = {
            one.id: one
            for one in incidents.values()
            if one.alarm_at is not None and one.status in OPEN
        }

    def take(self, alarm: Alarm, new_id: UUID, now: datetime) -> Incident:
        """The revision that `alarm` makes; `new_id` is for the incident that it may open.

        A clock of cameras that is ahead must not push later changes into the future.
        """
        at = min(alarm.escalated_at, now)
        # A clock that is ahead must not part it from the other alarms of its moment.
        alarm = replace(alarm, occurred_at=min(alarm.occurred_at, now))
        rule = self._rules.decide(alarm.kind, alarm.purpose)
        known = self._same(alarm)
        if known is None:
            revision = Incident(
                id=new_id,
                kind=alarm.kind.incident_kind,
                status=Status.OCCURRED,
                facts=self._opened(alarm, rule),
                occurred_at=min(alarm.occurred_at, now),
                changed_at=at,
                changed_by=alarm.escalated_by,
                source=Source(SOURCE, str(alarm.id), sequence=1),
                alarm_at=alarm.occurred_at,
            )
        else:
            count = known.source.sequence + 1
            facts = self._joined(known.facts, alarm, rule, count)
            changed = known.advance(Status.CHANGED, at, alarm.escalated_by, facts, count)
            newest = max(known.alarm_at or alarm.occurred_at, alarm.occurred_at)
            revision = replace(changed, alarm_at=newest)
        self._incidents[revision.id] = revision
        return revision

    def _same(self, alarm: Alarm) -> Incident | None:
        near = [
            (distance, one.id, one)
            for one in self._incidents.values()
            if one.facts.position is not None
            and one.alarm_at is not None
            and abs(one.alarm_at - alarm.occurred_at) <= self._bounds.moment
            and (distance := distance_metres(one.facts.position, alarm.position))
            <= self._bounds.metres
        ]
        return min(near)[2] if near else None

    def _opened(self, alarm: Alarm, rule: DispatchRule) -> Facts:
        return Facts(
            grade=dispatch.grade(rule.police_code, rule.desks),
            title=alarm.kind.korean,
            description=_sentence(alarm),
            place=alarm.place,
            position=alarm.position,
            items=self._items(rule.police_code, rule.desks, alarm, 1),
            police_code=rule.police_code,
            desks=rule.desks,
        )

    def _joined(self, known: Facts, alarm: Alarm, rule: DispatchRule, count: int) -> Facts:
        desks = (*known.desks, *(desk for desk in rule.desks if desk not in known.desks))
        codes = [code for code in (known.police_code, rule.police_code) if code is not None]
        code = min(codes, default=None)
        titles = known.title.split(_BETWEEN_TITLES)
        if alarm.kind.korean not in titles:
            titles.append(alarm.kind.korean)
        description = f"{known.description} {_sentence(alarm)}"
        if len(description) > _LONGEST_DESCRIPTION:
            description = known.description
        return replace(
            known,
            grade=dispatch.grade(code, desks),
            title=_BETWEEN_TITLES.join(titles),
            description=description,
            items={**known.items, **self._items(code, desks, alarm, count)},
            police_code=code,
            desks=desks,
        )

    def _items(
        self, code: int | None, desks: Sequence[str], alarm: Alarm, count: int
    ) -> Mapping[str, str]:
        items = {
            "desks": ",".join(desks),
            "ruleVersion": str(self._rules.version),
            "경보 수": str(count),
        }
        if code is not None:
            items["policeCode"] = str(code)
        if count <= _MOST_LISTED:
            cameras = ", ".join(alarm.camera_ids)
            at = f"{alarm.occurred_at.astimezone(seoul.SEOUL):%Y-%m-%d %H:%M:%S}"
            text = f"{alarm.kind.korean} {alarm.place} {at} ({cameras}) {alarm.id}"
            items[f"경보 {count}"] = text
        return items


def _sentence(alarm: Alarm) -> str:
    told = "자동 통보" if alarm.automatic else "관제 확인"
    text = f"{alarm.place} {alarm.kind.korean}, {told}"
    return f"{text}: {alarm.reason}." if alarm.reason else f"{text}."
