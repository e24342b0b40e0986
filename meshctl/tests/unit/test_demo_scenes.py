"""The scenes' account finds what is planted: lost, doubled, changed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from city_backbone.events import event_id
from meshctl.demo import scene_account
from meshctl.demo.scene_evidence import Alarm, Incident, SceneEvidence

from loadtests.city.cameras.kinds import Kind
from loadtests.city.scenes.outcome import (
    Expected,
    ExpectedAlarm,
    ExpectedDispatch,
    ExpectedIncident,
    Played,
    PlayedScene,
    Sent,
    Window,
    Words,
)

KEYS = tuple(("bars-1", Kind.FIGHT, "t1", micros) for micros in (1_000, 2_000, 3_000))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
PLAYED = Played(
    run="r",
    seed=1,
    began=NOW,
    ended=NOW,
    background=0.0,
    scenes=(
        PlayedScene(
            name="fight",
            title="싸움",
            site_ids=("bars",),
            window=Window(first_micros=1_000, last_micros=3_000),
            sent=Sent(detections=3, repeats=1, refused=0, keys=KEYS),
            acts=(),
            expected=Expected(
                alarms=(
                    ExpectedAlarm(
                        site_id="bars",
                        kind=Kind.FIGHT,
                        rule_id="fight",
                        status="ESCALATED",
                        automatic=False,
                        witnesses=1,
                        camera_ids=("bars-1",),
                        occurred_micros=1_000,
                    ),
                ),
                incidents=(
                    ExpectedIncident(
                        kinds=("fight",),
                        alarms=1,
                        site_ids=("bars",),
                        desks=("112",),
                        police_code=1,
                        places=("민락로데오거리",),
                        context={"카메라": Words(any_of=("bars-1",))},
                    ),
                ),
                dispatches=(ExpectedDispatch(desk="112", incidents=1),),
            ),
        ),
    ),
)
ALARM = Alarm("a1", "bars", "FIGHT", "fight", 1_000, "ESCALATED", ("bars-1",), 1, 1, False)
INCIDENT = Incident("i1", ("a1",), ("112",), 1, "민락로데오거리", 2, {"카메라": "bars-1 (12 m)"})
TOLD: dict[str, dict[str, Counter[int]]] = {"112": {"i1": Counter({1: 1, 2: 1})}, "119": {}}
IDS = frozenset(str(event_id("detection", *key)) for key in KEYS)
RIGHT = SceneEvidence(IDS, (ALARM,), (INCIDENT,), TOLD, 0, 0)


def account(found: SceneEvidence, may_miss: bool = False) -> dict[str, tuple[int, int]]:
    """Lost and duplicates of each stage where there are any."""
    (outcome,) = scene_account.outcomes(PLAYED, found, may_miss)
    return {
        stage.name: (stage.lost, stage.duplicates)
        for stage in outcome.stages
        if stage.lost or stage.duplicates
    }


def test_what_is_as_it_must_be_adds_up() -> None:
    assert account(RIGHT) == {}


def test_other_sites_and_other_times_are_not_the_scenes() -> None:
    others = (replace(ALARM, alarm_id="b", site_id="park"), replace(ALARM, occurred_micros=9_000))
    assert account(replace(RIGHT, alarms=(ALARM, *others))) == {}


@pytest.mark.parametrize(
    ("plant", "stage", "wrong"),
    [
        (lambda: {"detection_ids": frozenset(list(IDS)[1:])}, "detections", (1, 0)),
        (lambda: {"alarms": ()}, "alarms", (1, 0)),
        (lambda: {"alarms": (ALARM, replace(ALARM, alarm_id="a2"))}, "alarms", (0, 1)),
        (lambda: {"alarms": (replace(ALARM, witnesses=2),)}, "alarms", (1, 1)),
        (lambda: {"alarms": (replace(ALARM, status="RAISED"),)}, "alarms", (1, 1)),
        (lambda: {"alarms": (replace(ALARM, automatic=True),)}, "alarms", (1, 1)),
        (lambda: {"alarms": (replace(ALARM, occurred_micros=2_000),)}, "alarms", (1, 1)),
        (lambda: {"alarms": (replace(ALARM, escalations=2),)}, "escalations", (0, 1)),
        (lambda: {"alarms": (replace(ALARM, escalations=0),)}, "escalations", (1, 0)),
        (lambda: {"incidents": ()}, "incidents", (1, 0)),
        (
            lambda: {"incidents": (INCIDENT, replace(INCIDENT, incident_id="i2"))},
            "incidents",
            (0, 1),
        ),
        (lambda: {"incidents": (replace(INCIDENT, police_code=2),)}, "incidents", (1, 1)),
        (lambda: {"incidents": (replace(INCIDENT, desks=("119",)),)}, "incidents", (1, 1)),
        (lambda: {"incidents": (replace(INCIDENT, items={}),)}, "incidents", (1, 1)),
        (lambda: {"incidents": (replace(INCIDENT, alarm_ids=("a1", "x")),)}, "incidents", (1, 1)),
        (lambda: {"told": {"112": {}, "119": {}}}, "112 room", (1, 0)),
        (lambda: {"told": {"112": {"i1": Counter({1: 2, 2: 1})}}}, "112 room", (0, 1)),
        (lambda: {"told": {"112": {"i1": Counter({1: 1})}}}, "112 room", (1, 0)),
        (lambda: {"told": {"112": {"i1": Counter({2: 1})}}}, "112 room", (1, 0)),
        (lambda: {"told": {**TOLD, "119": TOLD["112"]}}, "119 room", (0, 1)),
    ],
)
def test_what_is_planted_is_found(
    plant: Callable[[], dict[str, Any]], stage: str, wrong: tuple[int, int]
) -> None:
    assert account(replace(RIGHT, **plant())).get(stage) == wrong


def test_context_may_be_missing_only_under_faults() -> None:
    away = replace(INCIDENT, items={"카메라": "확인 불가: 시간 초과"})
    found = replace(RIGHT, incidents=(away,))
    assert account(found) == {"incidents": (1, 1)}
    assert account(found, may_miss=True) == {}
