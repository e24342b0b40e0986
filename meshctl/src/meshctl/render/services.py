"""Services: where the department's pods are found."""

from __future__ import annotations

from city_backbone.registration import Registration

from meshctl.render import names
from meshctl.render.names import Component, Object
from meshctl.render.sizes import Size


def objects(service: Registration, size: Size) -> list[Object]:
    """Headless ones for gRPC's callers and for the StatefulSet, one more for what is exposed."""
    name = service.service
    found = []
    if size.rpc and service.port:
        found.append(_service(name, service, "rpc", "grpc", service.port, headless=True))
    if service.http_port:
        port = service.http_port
        found.append(_service(f"{name}-stream", service, "stream", "http", port, headless=True))
        if service.exposes:
            found.append(_service(f"{name}-http", service, "rpc", "http", port))
    return found


def _service(
    name: str,
    service: Registration,
    component: Component,
    port: str,
    number: int,
    *,
    headless: bool = False,
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(
            name, names.tenant(service.service), names.labels(service.service, component)
        ),
        "spec": {
            **({"clusterIP": "None"} if headless else {}),
            "selector": names.selector(service.service, component),
            "ports": [{"name": port, "port": number, "targetPort": port}],
        },
    }
