"""Wires the department once: people, kiosks, FHIR and cases."""

from city_backbone.runtime import Backbone, Service

from health.cases.wiring import cases
from health.fhir.wiring import fhir
from health.kiosks.wiring import kiosks
from health.people.wiring import people
from health.settings import HealthSettings


async def bootstrap(backbone: Backbone[HealthSettings]) -> Service:
    """The department's parts; nothing has started yet."""
    return Service.of([people(backbone), kiosks(backbone), fhir(backbone), cases(backbone)])
