"""Dispatch rules: what the shipped ones say, and which files are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from city_backbone.errors import SettingsError
from emergency.domain.alarm import AlarmKind
from emergency.domain.dispatch import DispatchRules, grade
from emergency.domain.incident import Grade
from emergency.errors import RulesInvalid
from emergency.rules import load_rules

URGENT, NORMAL = Grade.URGENT, Grade.NORMAL


@pytest.mark.parametrize(
    ("kind", "purpose", "desks", "code", "graded"),
    [
        ("FIRE", "PARK", {"119"}, None, URGENT),
        ("ARSON", "PARK", {"119", "112"}, 0, URGENT),
        ("FIGHT", "PARK", {"112"}, 1, URGENT),
        ("FALL", "PARK", {"119"}, None, URGENT),
        ("DROWNING", "PARK", {"119", "112"}, 1, URGENT),
        ("INTRUSION", "PARK", {"112"}, 2, NORMAL),
        ("LOITERING", "PARK", {"112"}, 3, NORMAL),
        ("LOITERING", "CHILD_PROTECTION", {"112"}, 2, NORMAL),
        ("LOITERING", "UNKNOWN", {"112"}, 3, NORMAL),
        ("ABANDONMENT", "VEHICLE", {"112"}, 2, NORMAL),
        ("MISSING_PERSON", "CHILD_PROTECTION", {"112"}, 2, NORMAL),
    ],
)
def test_the_shipped_rules(
    kind: str, purpose: str, desks: set[str], code: int | None, graded: Grade
) -> None:
    rules = load_rules()
    rule = rules.decide(AlarmKind(kind), purpose)
    assert (set(rule.desks), rule.police_code) == (desks, code)
    assert grade(rule.police_code, rule.desks) is graded
    assert rules.version == 2


@pytest.mark.parametrize("severity", ["CRITICAL", "URGENT", "UNKNOWN"])
def test_acute_readings_call_119_at_once(severity: str) -> None:
    rule = load_rules().decide_acute(severity)
    assert (rule.desks, rule.police_code, rule.grade) == (("119",), None, URGENT)


def data() -> Any:
    return json.loads((Path(load_rules.__code__.co_filename).parent / "dispatch.json").read_text())


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    rules = data() | {"version": 7}
    rules["rules"].insert(0, {"kind": "FALL", "purposes": ["PARK"], "desks": ["112", "119"]})
    rules["rules"][0]["police_code"] = 1
    rules["acute"] = [
        {"severities": ["URGENT"], "desks": ["119"], "grade": "NORMAL"},
        {"desks": ["112", "119"], "police_code": 1, "grade": "URGENT"},
    ]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rules))
    own = load_rules(file)
    assert own.version == 7
    assert own.decide(AlarmKind.FALL, "PARK").desks == ("112", "119")
    assert own.decide(AlarmKind.FALL, "VEHICLE").desks == ("119",)
    assert (own.decide_acute("URGENT").desks, own.decide_acute("URGENT").grade) == (
        ("119",),
        NORMAL,
    )
    assert own.decide_acute("CRITICAL").desks == ("112", "119")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.pop("version"), "version: Field required"),
        (lambda d: d.update(version="1"), "version: Input should be a valid integer"),
        (lambda d: d.update(more=1), "more: Extra inputs are not permitted"),
        (lambda d: d["rules"][3].update(kind="SLEEP"), r"rules\[3\]\.kind: Input should be"),
        (lambda d: d["rules"][3].update(desks=["113"]), r"rules\[3\]\.desks\[0\]: Input should be"),
        (lambda d: d["rules"][3].update(desks=[]), r"rules\[3\]\.desks: .* at least 1"),
        (lambda d: d["rules"][3].update(desks=["119", "119"]), r"rules\[3\]: .*each once"),
        (lambda d: d["rules"][2].update(police_code=5), r"rules\[2\]\.police_code: .*4"),
        (lambda d: d["rules"][2].pop("police_code"), r"rules\[2\]: .*police_code: expected"),
        (lambda d: d["rules"][3].update(police_code=1), r"rules\[3\]: .*police_code: expected"),
        (lambda d: d["rules"][6].update(purposes=["SEA"]), r"rules\[6\]\.purposes\[0\]: Input"),
        (lambda d: d["rules"].pop(3), "rules: .*without purposes for FALL"),
        (lambda d: d["rules"].append(d["rules"][3]), r"rules\[10\]: never used"),
        (lambda d: d.pop("acute"), "acute: Field required"),
        (lambda d: d["acute"].clear(), "acute: expected the last one without severities"),
        (lambda d: d["acute"].pop(), "acute: expected the last one without severities"),
        (lambda d: d["acute"].append(d["acute"][0]), r"acute\[1\]: never used"),
        (lambda d: d["acute"][0].update(severities=["BAD"]), r"acute\[0\]\.severities\[0\]: Input"),
        (lambda d: d["acute"][0].update(desks=["112"]), r"acute\[0\]: .*police_code: expected"),
        (lambda d: d["acute"][0].pop("grade"), r"acute\[0\]\.grade: Field required"),
    ],
)
def test_wrong_rules_are_refused_by_field(change: Any, expected: str) -> None:
    rules = data()
    change(rules)
    with pytest.raises(RulesInvalid, match=expected):
        DispatchRules.parse(json.dumps(rules))


@pytest.mark.parametrize("text", [None, "{", '{"version": 1}'])
def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "rules.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=r"EMERGENCY_DISPATCH_RULES_FILE: .*rules\.json"):
        load_rules(file)
