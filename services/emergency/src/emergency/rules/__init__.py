"""The dispatch rules in force: the file in this package, or the one that a setting names."""

from importlib import resources
from pathlib import Path

from city_backbone.errors import SettingsError

from emergency.domain.dispatch import DispatchRules
from emergency.errors import RulesInvalid


def load_rules(file: Path | None = None) -> DispatchRules:
    """Raises SettingsError naming the file and the field."""
    source = file or resources.files(__name__) / "dispatch.json"
    try:
        return DispatchRules.parse(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RulesInvalid) as error:
        raise SettingsError(f"EMERGENCY_DISPATCH_RULES_FILE: {source}: {error}") from error
