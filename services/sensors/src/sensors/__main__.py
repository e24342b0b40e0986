"""The service: python -m sensors."""

from city_backbone.runtime import main

from sensors.bootstrap import bootstrap
from sensors.settings import SensorsSettings

if __name__ == "__main__":
    main(SensorsSettings, bootstrap, "sensors")
