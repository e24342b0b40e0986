"""The account: what must be against what is, stage by stage; nothing here asks a service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from meshctl.demo.evidence import Evidence
from meshctl.demo.expected import Change, Hours

_STATUS = {"OCCURRED": "10", "CHANGED": "40", "CLEARED": "50"}
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the path: how many there are, are missing, and are there twice or too many."""

    name: str
    found: int
    lost: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert from its first level to its lifting; `until` is None while it stands."""

    pollutant: str
    level: str
    since: datetime
    until: datetime | None


def stages(hours: Hours, changes: Sequence[Change], evidence: Evidence) -> list[Stage]:
    """Compare each stage with the file, and the later ones with the alerts that must be."""
    events = evidence.events
    found = [
        Change(data["changed_at"], data["pollutant"], data["level"])
        for data in events["sensors.air-alert-changed.v1"].values()
    ]
    statuses = _statuses(changes)
    stored = evidence.incident_changes
    published = {
        (data["incident_id"], data["revision"])
        for data in events["emergency.incident-changed.v1"].values()
    }
    return [
        _hourly("readings", hours, _readings(events["sensors.reading-taken.v1"])),
        _hourly("hourly means", hours, _means(events["sensors.hourly-mean-computed.v1"])),
        _counted("alert changes", changes, found),
        _counted(
            "incident changes",
            [(status, at) for _, status, at in statuses],
            [(_STATUS.get(status, status), at) for _, _, status, at in stored],
        ),
        _counted("incident events", [row[:2] for row in stored], sorted(published)),
        _counted(
            "room",
            statuses,
            [(line.pollutant, line.status, line.at) for line in evidence.room if not line.repeat],
        ),
    ]


def out_of_order(evidence: Evidence) -> int:
    """Messages that reached the room before an earlier one of their occurrence."""
    newest: dict[str, datetime] = {}
    breaches = 0
    for line in evidence.room:
        if line.repeat:
            continue
        first = line.number not in newest
        breaches += (line.status == "10") is not first or line.at < newest.get(line.number, line.at)
        newest[line.number] = line.at
    return breaches


def alerts(changes: Sequence[Change]) -> list[Alert]:
    """The changes as periods, one per level, in order of time."""
    periods: list[Alert] = []
    open_: dict[str, Change] = {}
    for change in changes:
        before = open_.pop(change.pollutant, None)
        if before is not None:
            periods.append(Alert(before.pollutant, before.level, before.at, change.at))
        if change.level != "LIFTED":
            open_[change.pollutant] = change
    periods += [Alert(left.pollutant, left.level, left.at, None) for left in open_.values()]
    return sorted(periods, key=lambda period: (period.since, period.pollutant))


def issued(evidence: Evidence) -> dict[str, dict[str, int]]:
    """Per pollutant how often an advisory and a warning was issued (not: fallen back to)."""
    counts = {name: {"advisory": 0, "warning": 0} for name in ("PM10", "PM2.5", "O3")}
    rank = {"NONE": 0, "LIFTED": 0, "ADVISORY": 1, "WARNING": 2}
    for data in evidence.events["sensors.air-alert-changed.v1"].values():
        if rank[data["level"]] > rank[data["previous_level"]]:
            name = {"PM25": "PM2.5"}.get(data["pollutant"], data["pollutant"])
            counts[name][data["level"].lower()] += 1
    return counts


def _statuses(changes: Sequence[Change]) -> list[tuple[str, str, datetime]]:
    standing: set[str] = set()
    statuses = []
    for change in changes:
        if change.level == "LIFTED":
            status = "50"
            standing.discard(change.pollutant)
        else:
            status = "40" if change.pollutant in standing else "10"
            standing.add(change.pollutant)
        statuses.append((change.pollutant, status, change.at))
    return statuses


def _readings(events: Mapping[str, dict[str, Any]]) -> list[tuple[datetime, dict[str, float]]]:
    return [
        (data["measured_at"], {m["pollutant"]: m["value"] for m in data["measurements"]})
        for data in events.values()
    ]


def _means(events: Mapping[str, dict[str, Any]]) -> list[tuple[datetime, dict[str, float]]]:
    return [
        (data["hour_end"], {m["pollutant"]: m["mean"] for m in data["means"]})
        for data in events.values()
    ]


def _hourly(
    name: str, hours: Hours, found: Sequence[tuple[datetime, Mapping[str, float]]]
) -> Stage:
    times = Counter(at for at, _ in found)
    right = {at for at, values in found if _same(hours.get(at), values)}
    lost = sum(at not in right for at in hours)
    return Stage(name, len(found), lost, sum(times.values()) - len(set(times) & set(hours)))


def _counted(name: str, wanted: Sequence[Any], found: Sequence[Any]) -> Stage:
    wanted_, found_ = Counter(wanted), Counter(found)
    lost, more = wanted_ - found_, found_ - wanted_
    return Stage(name, len(found), lost.total(), more.total())


def _same(wanted: Mapping[str, float] | None, found: Mapping[str, float]) -> bool:
    return (
        wanted is not None
        and wanted.keys() == found.keys()
        and all(abs(wanted[name] - found[name]) < _CLOSE for name in wanted)
    )
