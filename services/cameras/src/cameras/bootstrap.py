"""Wires the department once: estate, ingest, alarms and leases."""

from city_backbone.runtime import Backbone, Service

from cameras.alarms.wiring import alarms
from cameras.directory import Directory
from cameras.estate.wiring import estate
from cameras.ingest.wiring import ingest
from cameras.leases.wiring import leases
from cameras.settings import CamerasSettings


async def bootstrap(backbone: Backbone[CamerasSettings]) -> Service:
    """The department's parts; nothing has started yet."""
    directory = Directory(backbone.database, backbone.settings.ingest.directory_seconds)
    parts = [
        estate(backbone, directory),
        ingest(backbone, directory),
        alarms(backbone),
        leases(backbone),
    ]
    return Service(
        servicers=[servicer for part in parts for servicer in part.servicers],
        subscriptions=[subscription for part in parts for subscription in part.subscriptions],
        routes=[route for part in parts for route in part.routes],
        tasks={name: run for part in parts for name, run in part.tasks.items()},
    )
