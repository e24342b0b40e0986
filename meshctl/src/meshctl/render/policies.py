"""Who may call which method of the department, as its pods read it."""

from __future__ import annotations

import json

from city_backbone.registration import Registration

from meshctl import policy as calls
from meshctl.catalogue import Catalogue
from meshctl.render import names
from meshctl.render.names import Object


def policy(service: Registration, catalogue: Catalogue) -> Object:
    """The same content as `meshctl up` writes. Pods read it at their start, so its digest is in
    their template."""
    content = json.dumps(calls.for_service(service, catalogue), indent=2) + "\n"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(
            "policy", names.tenant(service.service), names.labels(service.service)
        ),
        "data": {"policy.json": content},
    }
