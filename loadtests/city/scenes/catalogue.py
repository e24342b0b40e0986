"""The scenes: what happens on their stages, and what must come of it.

Rules (dwell, escalation) are rule set 1 of `cameras`; desks and 112 codes are rule set 1 of
`emergency`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.city.cameras.background import spoilt
from loadtests.city.cameras.kinds import Detection, Fault, Kind
from loadtests.city.cameras.stages import (
    ALLEY,
    BARS,
    PARK,
    QUIET,
    SCHOOL,
    SHOPS_BACK,
    SHOPS_FRONT,
    STATION,
    STREAM,
    Stage,
)
from loadtests.city.scenes.outcome import (
    Desk,
    Expected,
    ExpectedAlarm,
    ExpectedDispatch,
    ExpectedIncident,
    Status,
    Words,
)
from loadtests.city.scenes.script import MICROS, Script, Step, Takes, in_order

CAMERA_ITEM = "카메라"
AIR_ITEM = "대기질"


@dataclass(frozen=True, slots=True)
class Scene:
    """`lead` is how many seconds before now it began; in `school_hours` it was on a school day.

    `smoke` has air sensors around that report it.
    """

    title: str
    stages: tuple[Stage, ...]
    write: Callable[[Takes], Script]
    lead: float = 0.0
    school_hours: bool = False
    smoke: bool = False


def fall(takes: Takes) -> Script:
    """One camera sees it for 12 s; another flickers. Nobody acknowledges: it goes by itself."""
    lies = takes.track(STATION, 1, Kind.FALL, 12.0)
    flicker = takes.track(STATION, 2, Kind.FALL, 1.0, after=4.0)
    return Script(
        calls=takes.live(in_order(lies, flicker)),
        steps=(),
        expected=_one_incident(
            _alarm(STATION, Kind.FALL, "fall", [lies], "ESCALATED", automatic=True), ("119",)
        ),
    )


def fight(takes: Takes) -> Script:
    """Two cameras see it, out of order and repeated; the operator looks and escalates."""
    one = takes.track(BARS, 1, Kind.FIGHT, 8.0)
    other = takes.track(BARS, 3, Kind.FIGHT, 8.0, after=0.7)
    step = Step("acknowledge", BARS.site_id, Kind.FIGHT, or_by_itself=True)
    return Script(
        calls=takes.disordered(in_order(one, other)),
        steps=(
            step,
            Step(
                "escalate",
                BARS.site_id,
                Kind.FIGHT,
                witnesses=2,
                reason="두 사람이 싸우고 있음",
                or_by_itself=True,
            ),
        ),
        expected=_one_incident(
            _alarm(BARS, Kind.FIGHT, "fight", [one, other], "ESCALATED"), ("112",), 1
        ),
    )


def loitering(takes: Takes) -> Script:
    """Seventy seconds at the school's gate in school hours; a parent waits: dismissed."""
    waits = takes.track(SCHOOL, 2, Kind.LOITERING, 70.0)
    site, kind = SCHOOL.site_id, Kind.LOITERING
    return Script(
        calls=takes.compressed(waits),
        steps=(
            Step("acknowledge", site, kind),
            Step("dismiss", site, kind, reason="하교를 기다리는 보호자"),
        ),
        expected=Expected(
            alarms=(
                _alarm(SCHOOL, kind, "loitering-school", [waits], "DISMISSED", automatic=False),
            )
        ),
    )


def bag(takes: Takes) -> Script:
    """A bag stands for 64 s. Normal: it waits for the operator, who escalates."""
    stands = takes.track(PARK, 1, Kind.ABANDONMENT, 64.0)
    site, kind = PARK.site_id, Kind.ABANDONMENT
    return Script(
        calls=takes.compressed(stands),
        steps=(
            Step("acknowledge", site, kind),
            Step("escalate", site, kind, reason="주인 없는 가방"),
        ),
        expected=_one_incident(
            _alarm(PARK, kind, "abandonment", [stands], "ESCALATED", automatic=False),
            ("112",),
            2,
        ),
    )


def fire(takes: Takes) -> Script:
    """Two sites 60 m apart see it: two alarms, one incident; the air around is bad."""
    front = takes.track(SHOPS_FRONT, 1, Kind.FIRE, 8.0)
    back = takes.track(SHOPS_BACK, 1, Kind.FIRE, 8.0, after=1.0)
    alarms = (
        _alarm(SHOPS_FRONT, Kind.FIRE, "fire", [front], "ESCALATED"),
        _alarm(SHOPS_BACK, Kind.FIRE, "fire", [back], "ESCALATED", automatic=True),
    )
    return Script(
        calls=takes.live(in_order(front, back)),
        steps=(
            Step(
                "escalate",
                SHOPS_FRONT.site_id,
                Kind.FIRE,
                reason="연기와 불꽃이 보임",
                or_by_itself=True,
            ),
        ),
        expected=_incident(alarms, ("119",), None, air=("신곡동", "나쁨")),
    )


def arson(takes: Takes) -> Script:
    """Goes by itself at once, to both rooms, 112 code 0."""
    sets = takes.track(ALLEY, 1, Kind.ARSON, 5.0)
    return Script(
        calls=takes.live(sets),
        steps=(),
        expected=_one_incident(
            _alarm(ALLEY, Kind.ARSON, "arson", [sets], "ESCALATED", automatic=True),
            ("112", "119"),
            0,
        ),
    )


def drowning(takes: Takes) -> Script:
    """Goes by itself at once, to both rooms, 112 code 1."""
    struggles = takes.track(STREAM, 2, Kind.DROWNING, 6.0)
    return Script(
        calls=takes.live(struggles),
        steps=(),
        expected=_one_incident(
            _alarm(STREAM, Kind.DROWNING, "drowning", [struggles], "ESCALATED", automatic=True),
            ("112", "119"),
            1,
        ),
    )


def noise(takes: Takes) -> Script:
    """Short, weak and malformed: nothing may come of it."""
    brief = [
        takes.track(QUIET, 1, kind, 2.0, after=number * 0.5) for number, kind in enumerate(Kind)
    ]
    weak = takes.track(QUIET, 2, Kind.FIGHT, 10.0, confidence=(0.3, 0.58))
    # Nine seconds in all, but with gaps longer than the rule's three.
    whole = takes.track(QUIET, 2, Kind.INTRUSION, 9.4)
    torn = [one for one in whole if (one.micros - takes.start) % (4.2 * MICROS) <= MICROS]
    wrong = [spoilt(one, fault) for one, fault in zip(weak[10:], Fault, strict=False)]
    found: list[Detection] = in_order(*brief, weak, torn)
    return Script(
        calls=takes.live([*found, *(one for one in wrong if one.fault is not Fault.FUTURE)]),
        steps=(),
        expected=Expected(),
    )


SCENES: dict[str, Scene] = {
    "fall": Scene("쓰러짐: 의정부역 동부광장, 아무도 응답하지 않음", (STATION,), fall),
    "fight": Scene("싸움: 카메라 두 대가 봄", (BARS,), fight),
    "loitering": Scene("배회: 하교 시간 학교 앞 보호자", (SCHOOL,), loitering, school_hours=True),
    "bag": Scene("유기: 공원의 주인 없는 가방", (PARK,), bag, lead=66.0),
    "fire": Scene(
        "화재: 두 지점에서 보이고 공기가 나쁨", (SHOPS_FRONT, SHOPS_BACK), fire, smoke=True
    ),
    "arson": Scene("방화: 뒷골목", (ALLEY,), arson),
    "drowning": Scene("익수: 중랑천", (STREAM,), drowning),
    "noise": Scene("잡음: 아무 일도 아님", (QUIET,), noise),
}


def _alarm(
    stage: Stage,
    kind: Kind,
    rule_id: str,
    tracks: list[list[Detection]],
    status: Status,
    *,
    automatic: bool | None = None,
) -> ExpectedAlarm:
    cameras = tuple(sorted(track[0].camera_id for track in tracks))
    return ExpectedAlarm(
        site_id=stage.site_id,
        kind=kind,
        rule_id=rule_id,
        status=status,
        automatic=automatic,
        witnesses=len(cameras),
        camera_ids=cameras,
        occurred_micros=min(track[0].micros for track in tracks),
    )


def _one_incident(
    alarm: ExpectedAlarm, desks: tuple[Desk, ...], police_code: int | None = None
) -> Expected:
    return _incident((alarm,), desks, police_code)


def _incident(
    alarms: tuple[ExpectedAlarm, ...],
    desks: tuple[Desk, ...],
    police_code: int | None,
    air: tuple[str, ...] = (),
) -> Expected:
    """All alarms in one incident; the cameras that look at it are those of its sites."""
    stages = {stage.site_id: stage for scene in SCENES.values() for stage in scene.stages}
    there = [stages[alarm.site_id] for alarm in alarms]
    cameras = tuple(
        f"{stage.site_id}-{number}"
        for stage in there
        for number in range(1, len(stage.headings) + 1)
    )
    context = {CAMERA_ITEM: Words(any_of=cameras)}
    if air:
        context[AIR_ITEM] = Words(all_of=air)
    incident = ExpectedIncident(
        kinds=tuple(sorted({alarm.kind.lower().replace("_", "-") for alarm in alarms})),
        alarms=len(alarms),
        site_ids=tuple(stage.site_id for stage in there),
        desks=desks,
        police_code=police_code,
        places=tuple(stage.name for stage in there),
        context=context,
    )
    return Expected(
        alarms=alarms,
        incidents=(incident,),
        dispatches=tuple(ExpectedDispatch(desk=desk, incidents=1) for desk in desks),
    )
