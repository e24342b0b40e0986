"""A set of rules that does not hold together is refused by the name of the rule and its field."""

import copy
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from city_backbone.errors import SettingsError
from health.assessment.rulebook import load, parse
from health.errors import Invalid

RAW = json.loads((resources.files("health.assessment") / "rules.v1.json").read_text())


def changed(change: Callable[[Any], object]) -> Any:
    raw = copy.deepcopy(RAW)
    change(raw)
    return raw


def rule(raw: Any, rule_id: str) -> Any:
    return next(one for one in raw["advice"] if one["rule_id"] == rule_id)


def scale(raw: Any, code: str) -> Any:
    return next(one for one in raw["acute"]["scales"] if one["code"] == code)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda raw: raw.pop("version"), "version"),
        (lambda raw: raw.update(version=0), "version"),
        (lambda raw: raw.update(disclaimer=" "), "disclaimer"),
        (lambda raw: raw.update(author="x"), "author"),
        (
            lambda raw: rule(raw, "glucose-low").update(level="PANIC"),
            "advice[glucose-low].level",
        ),
        (lambda raw: rule(raw, "glucose-low").update(text="가" * 201), "advice[glucose-low].text"),
        (lambda raw: rule(raw, "glucose-low").pop("source"), "advice[glucose-low].source"),
        (lambda raw: rule(raw, "glucose-low").update(code="HEIGHT"), "advice[glucose-low].code"),
        (
            lambda raw: rule(raw, "glucose-low").update(rule_id="Glucose low"),
            "advice[Glucose low].rule_id",
        ),
        (
            lambda raw: rule(raw, "glucose-low").update(rule_id="glucose-200"),
            "advice[glucose-200].rule_id",
        ),
        (
            lambda raw: rule(raw, "glucose-low").update(when=[{"at_least": "high"}]),
            "advice[glucose-low].when[0].at_least",
        ),
        (
            lambda raw: rule(raw, "glucose-low").update(when=[{"at_least": 60, "below": 70}]),
            "advice[glucose-low].when[0]",
        ),
        (
            lambda raw: rule(raw, "glucose-low").update(when=[{"part": "value"}]),
            "advice[glucose-low].when[0]",
        ),
        (
            lambda raw: rule(raw, "glucose-low").update(when=[{"acute_score": 1}]),
            "advice[glucose-low].when[0].acute_score",
        ),
        (
            lambda raw: rule(raw, "heart-rate-1").update(when=[{"acute_score": 4}]),
            "advice[heart-rate-1].when[0].acute_score",
        ),
        (
            lambda raw: rule(raw, "glucose-low").update(when=[{"part": "diastolic", "below": 7}]),
            "advice[glucose-low].when[0].part",
        ),
        (
            lambda raw: rule(raw, "heart-rate-1").update(fasting=True),
            "advice[heart-rate-1].fasting",
        ),
        (
            lambda raw: rule(raw, "glucose-very-low").update(level="ATTENTION"),
            "advice[glucose-low].level",
        ),
        (lambda raw: rule(raw, "glucose-low").pop("when"), "advice[glucose-low].when"),
        (
            lambda raw: rule(raw, "glucose-normal").update(when=[{"below": 200}]),
            "advice[glucose-normal].when",
        ),
        (
            lambda raw: rule(raw, "glucose-normal").update(level="ATTENTION"),
            "advice[glucose-normal].when",
        ),
        (
            lambda raw: raw.update(advice=[one for one in raw["advice"] if "gluc" not in str(one)]),
            "advice",
        ),
        (lambda raw: raw["acute"].update(total=0), "acute.total"),
        (lambda raw: raw["acute"].update(critical_total=4), "acute.critical_total"),
        (
            lambda raw: raw["acute"].update(critical_parameters_of_three=0),
            "acute.critical_parameters_of_three",
        ),
        (
            lambda raw: scale(raw, "HEART_RATE")["bands"][2].update(score=4),
            "acute.scales[HEART_RATE].bands[2].score",
        ),
        (
            lambda raw: scale(raw, "HEART_RATE")["bands"][2].update(score=2),
            "acute.scales[HEART_RATE].bands",
        ),
        (
            lambda raw: scale(raw, "HEART_RATE")["bands"].pop(1),
            "acute.scales[HEART_RATE].bands[1].from",
        ),
        (
            lambda raw: scale(raw, "HEART_RATE")["bands"][0].update({"from": 20}),
            "acute.scales[HEART_RATE].bands[0].from",
        ),
        (
            lambda raw: scale(raw, "HEART_RATE")["bands"][-1].update(to=300),
            "acute.scales[HEART_RATE].bands[5].to",
        ),
        (
            lambda raw: scale(raw, "HEART_RATE")["bands"][1].update(to=30),
            "acute.scales[HEART_RATE].bands[1].to",
        ),
        (
            lambda raw: scale(raw, "HEART_RATE")["bands"][1].pop("from"),
            "acute.scales[HEART_RATE].bands[1].from",
        ),
        (
            lambda raw: raw["acute"]["scales"].append(scale(raw, "HEART_RATE")),
            "acute.scales[HEART_RATE].code",
        ),
        (lambda raw: raw["acute"].update(scales=[]), "acute.scales"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[Any], object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(changed(change))
    assert refused.value.field == field


@pytest.mark.parametrize("raw", [[], "rules", None, 1])
def test_something_else_altogether(raw: object) -> None:
    with pytest.raises(Invalid):
        parse(raw)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(changed(lambda raw: raw.update(version=7))))
    assert load(path).version == 7


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "ASSESSMENT__RULES_FILE"),
        ('{"version": 1}', "disclaimer"),
        (
            json.dumps(changed(lambda raw: rule(raw, "glucose-low").pop("when"))),
            "advice[glucose-low].when: expected a threshold",
        ),
    ],
)
def test_the_service_does_not_start_with_it(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "rules.json"
    path.write_text(content)
    with pytest.raises(SettingsError) as refused:
        load(path)
    assert said in str(refused.value)
    assert str(refused.value).startswith("ASSESSMENT__RULES_FILE: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ASSESSMENT__RULES_FILE"):
        load(tmp_path / "none.json")
