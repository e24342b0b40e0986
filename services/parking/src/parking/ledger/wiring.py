"""Wires the part once."""

from city_backbone.runtime import Backbone, Service

from parking.settings import ParkingSettings


def ledger(backbone: Backbone[ParkingSettings]) -> Service:
    """The part of the service; nothing has started yet."""
    return Service()
