"""Wires the part once."""

from city_backbone.runtime import Backbone, Service

from cameras.directory import Directory
from cameras.settings import CamerasSettings


def ingest(backbone: Backbone[CamerasSettings], directory: Directory) -> Service:
    """The part of the service; nothing has started yet."""
    return Service()
