"""Alarms as a process of their own, to be killed."""

from cameras.alarms.store_rules import Rules
from cameras.alarms.wiring import alarms
from cameras.settings import CamerasSettings
from city_backbone.runtime import Backbone, Service, main


async def bootstrap(backbone: Backbone[CamerasSettings]) -> Service:
    """Only this part of the department."""
    return alarms(backbone, Rules())


if __name__ == "__main__":
    main(CamerasSettings, bootstrap, "cameras")
