"""The rules a new ledger starts with, and what a file of them must hold to."""

import json
from pathlib import Path
from typing import Any

import pytest
from city_backbone.errors import SettingsError
from parking.ledger.seeds import seeds
from parking.ledger.split import Party

RULE: dict[str, Any] = {
    "scheme": "other",
    "valid_from": "2024-01-01",
    "owner_percent": 70,
    "operator_percent": 30,
    "district_percent": 0,
    "remainder_to": "OPERATOR",
    "refunds": [[60, 100]],
    "overstay_percent": 200,
}


def written(tmp_path: Path, content: object) -> Path:
    file = tmp_path / "rules.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_the_districts_of_the_package() -> None:
    shares = {
        rule.scheme: (
            rule.owner_percent,
            rule.operator_percent,
            rule.district_percent,
            rule.remainder_to,
        )
        for rule in seeds(None)
    }
    assert shares == {
        "samjeong": (50, 30, 20, Party.OWNER),
        "60-40": (60, 40, 0, Party.OPERATOR),
        "40-owner": (40, 60, 0, Party.OPERATOR),
        "public": (0, 0, 100, Party.DISTRICT),
    }
    assert {
        (step.notice_minutes, step.percent) for rule in seeds(None) for step in rule.refunds
    } == {(60, 100), (0, 50)}
    assert {rule.overstay_percent for rule in seeds(None)} == {150}


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    (rule,) = seeds(written(tmp_path, {"rules": [RULE]}))
    assert (rule.scheme, rule.owner_percent, rule.overstay_percent) == ("other", 70, 200)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "JSON"),
        ({"rules": [{**RULE, "owner_percent": "70"}]}, "rules.0.owner_percent"),
        ({"rules": [{**RULE, "more": 1}]}, "rules.0.more"),
        ({"rules": [{**RULE, "owner_percent": 71}]}, "owner_percent: expected percents"),
        ({"rules": [RULE, RULE]}, "one rule per scheme and valid_from"),
    ],
)
def test_a_bad_file_stops_the_start(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(SettingsError) as raised:
        seeds(written(tmp_path, content))
    assert "PARKING_LEDGER__SPLIT_RULES_FILE: " in str(raised.value)
    assert told in str(raised.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PARKING_LEDGER__SPLIT_RULES_FILE"):
        seeds(tmp_path / "missing.json")
