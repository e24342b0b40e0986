"""`python -m emergency`."""

from city_backbone.runtime import main

from emergency.bootstrap import bootstrap
from emergency.settings import EmergencySettings

if __name__ == "__main__":
    main(EmergencySettings, bootstrap, "emergency")
