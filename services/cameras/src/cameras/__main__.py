"""The service: python -m cameras."""

from city_backbone.runtime import main

from cameras.bootstrap import bootstrap
from cameras.settings import CamerasSettings

if __name__ == "__main__":
    main(CamerasSettings, bootstrap, "cameras")
