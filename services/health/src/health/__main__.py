"""The service: python -m health."""

from city_backbone.runtime import main

from health.bootstrap import bootstrap
from health.settings import HealthSettings

if __name__ == "__main__":
    main(HealthSettings, bootstrap, "health")
