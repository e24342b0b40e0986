"""A probe that holds on to a thread which never ends, as a library may."""

import threading

from city_backbone.runtime import Backbone, Service, main

from probe.bootstrap import ProbeSettings


async def bootstrap(backbone: Backbone[ProbeSettings]) -> Service:
    threading.Thread(target=threading.Event().wait, name="stubborn", daemon=False).start()
    return Service()


if __name__ == "__main__":
    main(ProbeSettings, bootstrap, "probe")
