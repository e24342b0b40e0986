"""Reads the rules that are in force."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from city_backbone.errors import SettingsError
from pydantic import ValidationError

from health.assessment.rules import Rules, check, named
from health.errors import Invalid

_SETTING = "ASSESSMENT__RULES_FILE"
_PACKAGED = "rules.v1.json"


def load(path: Path | None = None) -> Rules:
    """Those in the package without a path. Raises SettingsError naming the rule and its field."""
    source = path or resources.files("health.assessment") / _PACKAGED
    try:
        raw = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{_SETTING}: {source}: {error}") from error
    try:
        return parse(raw)
    except Invalid as error:
        raise SettingsError(f"{_SETTING}: {source}: {error}") from error


def parse(raw: Any) -> Rules:
    """Raises Invalid naming the rule and its field."""
    try:
        rules = Rules.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise Invalid(named(raw, first["loc"]) or "rules", first["msg"]) from None
    check(rules)
    return rules
