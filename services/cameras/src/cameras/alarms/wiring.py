"""Wires the part once."""

from city_backbone.runtime import Backbone, Service

from cameras.settings import CamerasSettings


def alarms(backbone: Backbone[CamerasSettings]) -> Service:
    """The part of the service; nothing has started yet."""
    return Service()
