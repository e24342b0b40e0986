"""Wires the department once: people, kiosks, FHIR and cases."""

from city_backbone.runtime import Backbone, Service

from health.cases.wiring import cases
from health.fhir.wiring import fhir
from health.kiosks.wiring import kiosks
from health.people.wiring import people
from health.settings import HealthSettings


async def bootstrap(backbone: Backbone[HealthSettings]) -> Service:
    """The department's parts; nothing has started yet."""
    parts = [people(backbone), kiosks(backbone), fhir(backbone), cases(backbone)]
    return Service(
        servicers=[servicer for part in parts for servicer in part.servicers],
        subscriptions=[subscription for part in parts for subscription in part.subscriptions],
        routes=[route for part in parts for route in part.routes],
        tasks={name: run for part in parts for name, run in part.tasks.items()},
    )
