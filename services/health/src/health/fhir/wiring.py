"""Wires the part once."""

from collections.abc import Callable
from datetime import datetime

from city_backbone.register import Register
from city_backbone.runtime import Backbone, Service

from health.assessment import rulebook
from health.clock import utc_now
from health.fhir.desk import Desk
from health.fhir.http import READ_SECONDS, FhirEndpoint
from health.fhir.search import Search
from health.fhir.telemetry import Metrics
from health.measuring.wiring import intake
from health.people.reads import REGISTER
from health.people.wiring import directory
from health.settings import HealthSettings


def fhir(
    backbone: Backbone[HealthSettings],
    clock: Callable[[], datetime] = utc_now,
    read_seconds: float = READ_SECONDS,
) -> Service:
    """The part of the service; nothing has started yet. Raises SettingsError."""
    database, settings = backbone.database, backbone.settings.fhir
    known = directory(backbone)
    rules = rulebook.load(backbone.settings.assessment.rules_file)
    endpoint = FhirEndpoint(
        Desk(database, known, intake(backbone, clock), rules),
        Search(database, known, Register(REGISTER), rules),
        settings.key,
        settings.max_entries,
        clock,
        Metrics(backbone.meter),
        read_seconds,
    )
    return Service(routes=endpoint.routes())
