"""The rules a new ledger starts with, from a JSON file as split_rules.v1.json."""

from datetime import date
from importlib import resources
from pathlib import Path

from city_backbone.errors import SettingsError
from pydantic import BaseModel, ConfigDict, ValidationError

from parking.errors import Invalid
from parking.ledger.split import Party, RefundStep, SplitRule

_VARIABLE = "PARKING_LEDGER__SPLIT_RULES_FILE"


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    scheme: str
    valid_from: date
    owner_percent: int
    operator_percent: int
    district_percent: int
    remainder_to: Party
    refunds: list[tuple[int, int]]
    overstay_percent: int


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    description: str = ""
    rules: list[_Rule]


def seeds(file: Path | None) -> list[SplitRule]:
    """Those of `file`, or of the package. Raises SettingsError naming what is wrong."""
    try:
        if file is None:
            text = resources.files("parking.ledger").joinpath("split_rules.v1.json").read_bytes()
        else:
            text = file.read_bytes()
        rules = [_split_rule(rule) for rule in _File.model_validate_json(text).rules]
    except OSError as error:
        raise SettingsError(f"{_VARIABLE}: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"{_VARIABLE}: {problems}") from error
    except Invalid as error:
        raise SettingsError(f"{_VARIABLE}: {error}") from error
    if len({(rule.scheme, rule.valid_from) for rule in rules}) < len(rules):
        raise SettingsError(f"{_VARIABLE}: expected one rule per scheme and valid_from")
    return rules


def _split_rule(read: _Rule) -> SplitRule:
    steps = tuple(RefundStep(notice, percent) for notice, percent in read.refunds)
    return SplitRule(**{**dict(read), "refunds": steps})
