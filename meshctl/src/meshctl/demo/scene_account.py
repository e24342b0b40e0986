"""What each scene must leave behind against what is there; nothing here asks a service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from city_backbone.events import event_id

from loadtests.city.scenes.outcome import ExpectedAlarm, ExpectedIncident, Played, PlayedScene
from meshctl.demo.account import Stage
from meshctl.demo.scene_evidence import Alarm, Incident, SceneEvidence

_UNKNOWN = "확인 불가"
_Must = TypeVar("_Must")
_Is = TypeVar("_Is")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scene's stages, and in words what does not fit."""

    scene: PlayedScene
    stages: tuple[Stage, ...]
    problems: tuple[str, ...]


def outcomes(played: Played, found: SceneEvidence, context_may_miss: bool) -> Sequence[Outcome]:
    """One for each scene, in the order played.

    `context_may_miss` lets an incident say that a neighbour could not be asked: under faults it
    must not wait for one.
    """
    return [_outcome(scene, found, context_may_miss) for scene in played.scenes]


def _outcome(scene: PlayedScene, found: SceneEvidence, context_may_miss: bool) -> Outcome:
    problems: list[str] = []
    window = range(scene.window.first_micros, scene.window.last_micros + 1)
    sent = {str(event_id("detection", *key)) for key in scene.sent.keys}
    alarms = [
        alarm
        for alarm in found.alarms
        if alarm.site_id in scene.site_ids and alarm.occurred_micros in window
    ]
    by_id = {alarm.alarm_id: alarm for alarm in alarms}
    incidents = [one for one in found.incidents if by_id.keys() & set(one.alarm_ids)]
    expected = scene.expected
    there = sent & found.detection_ids
    stages = [Stage("detections", len(there), len(sent - there), 0)]
    stages.append(_matched("alarms", expected.alarms, alarms, _is_alarm, problems))
    doubled = sum(max(0, alarm.escalations - 1) for alarm in alarms)
    wanted = sum(alarm.status == "ESCALATED" for alarm in expected.alarms)
    going = sum(alarm.escalations > 0 for alarm in alarms)
    stages.append(
        Stage("escalations", going, max(0, wanted - going), doubled + max(0, going - wanted))
    )

    def fits(must: ExpectedIncident, one: Incident) -> bool:
        return _is_incident(must, one, by_id, context_may_miss)

    stages.append(_matched("incidents", expected.incidents, incidents, fits, problems))
    for desk, room in sorted(found.told.items()):
        told = [room[one.incident_id] for one in incidents if one.incident_id in room]
        unheard = sum(
            len(set(range(1, one.revisions + 1)) - room.get(one.incident_id, Counter()).keys())
            for one in incidents
            if desk in one.desks
        )
        must = sum(one.incidents for one in expected.dispatches if one.desk == desk)
        again = sum(count - 1 for revisions in told for count in revisions.values())
        misled = sum(one.incident_id in room for one in incidents if desk not in one.desks)
        stages.append(
            Stage(
                f"{desk} room",
                len(told),
                max(0, must - len(told)) or unheard,
                again + (max(0, len(told) - must) or misled),
            )
        )
    return Outcome(scene, tuple(stages), tuple(problems))


def _matched(
    name: str,
    must: Iterable[_Must],
    there: Iterable[_Is],
    fits: Callable[[_Must, _Is], bool],
    problems: list[str],
) -> Stage:
    """Each that must be takes one that fits; what is left over is lost, or too many."""
    left = list(there)
    found = len(left)
    lost = 0
    for one in must:
        match = next((candidate for candidate in left if fits(one, candidate)), None)
        if match is None:
            lost += 1
            problems.append(f"{name}: missing {one}")
        else:
            left.remove(match)
    problems += [f"{name}: unexpected {one}" for one in left]
    return Stage(name, found, lost, len(left))


def _is_alarm(must: ExpectedAlarm, alarm: Alarm) -> bool:
    return (
        (must.site_id, must.kind, must.rule_id) == (alarm.site_id, alarm.kind, alarm.rule_id)
        and must.status == alarm.status
        and must.witnesses == alarm.witnesses
        and tuple(must.camera_ids) == alarm.camera_ids
        and must.occurred_micros == alarm.occurred_micros
        and (must.status != "ESCALATED" or must.automatic in (None, alarm.automatic))
    )


def _is_incident(
    must: ExpectedIncident, one: Incident, alarms: dict[str, Alarm], context_may_miss: bool
) -> bool:
    joined = [alarms[alarm_id] for alarm_id in one.alarm_ids if alarm_id in alarms]
    return (
        len(one.alarm_ids) == len(joined) == must.alarms
        and {alarm.kind.lower().replace("_", "-") for alarm in joined} == set(must.kinds)
        and {alarm.site_id for alarm in joined} == set(must.site_ids)
        and set(one.desks) == set(must.desks)
        and one.police_code == must.police_code
        and one.place in must.places
        and all(
            _says(one.items.get(item, ""), words.all_of, words.any_of, context_may_miss)
            for item, words in must.context.items()
        )
    )


def _says(text: str, all_of: Sequence[str], any_of: Sequence[str], context_may_miss: bool) -> bool:
    if context_may_miss and text.startswith(_UNKNOWN):
        return True
    return all(word in text for word in all_of) and (
        not any_of or any(word in text for word in any_of)
    )
