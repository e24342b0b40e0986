"""The service: python -m parking."""

from city_backbone.runtime import main

from parking.bootstrap import bootstrap
from parking.settings import ParkingSettings

if __name__ == "__main__":
    main(ParkingSettings, bootstrap, "parking")
