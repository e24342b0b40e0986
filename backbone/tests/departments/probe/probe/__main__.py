"""The probe as a process of its own, to be killed."""

from city_backbone.runtime import main

from probe.bootstrap import ProbeSettings, bootstrap

if __name__ == "__main__":
    main(ProbeSettings, bootstrap, "probe")
