"""Wires the department once: estate, ingest, alarms and leases."""

from city_backbone.runtime import Backbone, Service

from cameras.alarms.store_rules import Rules
from cameras.alarms.wiring import alarms
from cameras.directory import Directory
from cameras.estate.wiring import estate
from cameras.ingest.wiring import ingest
from cameras.leases.wiring import leases
from cameras.settings import CamerasSettings


async def bootstrap(backbone: Backbone[CamerasSettings]) -> Service:
    """The department's parts; nothing has started yet."""
    directory = Directory(backbone.database, backbone.settings.ingest.directory_seconds)
    rules = Rules()
    return Service.of(
        [
            estate(backbone, directory),
            ingest(backbone, directory, rules.urgent),
            alarms(backbone, rules),
            leases(backbone),
        ]
    )
