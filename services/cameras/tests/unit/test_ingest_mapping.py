"""The list of topics is data: each rule can be reached, a wrong file is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from cameras.ingest.detection import KINDS
from cameras.ingest.mapping import load
from cameras.ingest.topic import canonical
from city_backbone.errors import SettingsError

PACKAGED = load(None)


def written(path: Path, **changes: Any) -> Path:
    whole = {
        "format": "citymesh-onvif-topics/1",
        "version": 7,
        "topics": [{"name": "own", "topic": "RuleEngine/Own/*", "kind": "FALL"}],
    }
    file = path / "topics.json"
    file.write_text(json.dumps({**whole, **changes}))
    return file


def test_an_own_file_stands_in_for_the_packaged_one(tmp_path: Path) -> None:
    own = load(written(tmp_path))
    assert own.version == 7
    rule = own.find(canonical("tns1:RuleEngine/Own/One", {}, own.namespaces))
    assert rule is not None
    assert (rule.name, rule.kind) == ("own", "FALL")
    assert own.find(canonical("tns1:RuleEngine/FallDetector/Fall", {}, own.namespaces)) is None


def test_no_packaged_rule_hides_another() -> None:
    for wanted, rule in PACKAGED._rules:
        example = tuple("tns1:X" if part in ("*", "**") else part for part in wanted)
        example = tuple(
            part.replace("*:", "tns1:") if part.startswith("*:") else part for part in example
        )
        assert PACKAGED.find(example) is rule, rule.name


def test_every_class_has_a_topic() -> None:
    assert {rule.kind for _, rule in PACKAGED._rules if rule.kind} == set(KINDS)


def _rule(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "own", "topic": "RuleEngine/Own", "kind": "FALL", **changes}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "other/1"}, "format: "),
        ({"version": 0}, "version: "),
        ({"topics": []}, "topics: "),
        ({"topics": _rule(kind="SNEEZE")}, "topics.0.kind: .*expected one of LOITERING"),
        ({"topics": _rule(persists=True)}, "expected state items"),
        ({"topics": _rule(topic="a/**/b")}, "for the end only"),
        ({"topics": _rule(topic="tnsnobody:A/B")}, "prefix tnsnobody is not under prefixes"),
        ({"topics": _rule() + _rule()}, "names used twice: own"),
        ({"topics": _rule(colour="red")}, "topics.0.colour: "),
        ({"topics": _rule(default_confidence=2)}, "topics.0.default_confidence: "),
    ],
)
def test_a_wrong_file_stops_the_start_and_says_where(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=f"ONVIF_TOPICS_FILE: .*{said}"):
        load(written(tmp_path, **changes))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.json"):
        load(tmp_path / "nowhere.json")
