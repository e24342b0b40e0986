"""Wires the part once."""

from collections.abc import Callable
from datetime import datetime

from city_backbone.runtime import Backbone

from health.assessment.rulebook import load
from health.clock import utc_now
from health.measuring.intake import Intake
from health.settings import HealthSettings


def intake(backbone: Backbone[HealthSettings], clock: Callable[[], datetime] = utc_now) -> Intake:
    """Raises SettingsError for rules that do not hold together."""
    settings = backbone.settings.assessment
    rules = load(settings.rules_file)
    return Intake(backbone.outbox, rules, settings, clock, backbone.meter)
