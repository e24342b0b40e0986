"""Kiosks as a process of their own, to be killed."""

from city_backbone.runtime import Backbone, Service, main
from health.kiosks.wiring import kiosks
from health.settings import HealthSettings


async def bootstrap(backbone: Backbone[HealthSettings]) -> Service:
    """Only this part of the department."""
    return kiosks(backbone)


if __name__ == "__main__":
    main(HealthSettings, bootstrap, "health")
