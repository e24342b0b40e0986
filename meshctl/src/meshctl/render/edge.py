"""The way in for who is outside the mesh: HTTP for what is exposed, gRPC for clients."""

from __future__ import annotations

from city_backbone.registration import Registration

from meshctl.catalogue import Catalogue
from meshctl.render import certificate, edges, names, network
from meshctl.render.names import Object

# A pod's address is in one of these, so that no pod comes in as if from outside.
_PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"]
_PRIVATE_V6 = ["fc00::/7"]


def objects(service: Registration, catalogue: Catalogue) -> list[Object]:
    """Nothing for a department that only departments call."""
    found: list[Object] = []
    if service.exposes and service.http_port:
        found += _http(service, service.http_port)
    if service.port and edges.client_callers(service, catalogue):
        found += _grpc(service.service, service.port)
    return found


def host(service: str) -> str:
    """Where callers outside find the department; the overlay names the city's own domain."""
    return f"{service}.{names.DOMAIN}"


def _http(service: Registration, port: int) -> list[Object]:
    name = service.service
    backend = {"service": {"name": f"{name}-http", "port": {"name": "http"}}}
    ingress: Object = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": names.metadata(name, names.tenant(name), names.labels(name)),
        "spec": {
            "tls": [{"hosts": [host(name)], "secretName": "edge"}],
            "rules": [
                {
                    "host": host(name),
                    "http": {
                        "paths": [
                            {"path": path, "pathType": "Prefix", "backend": backend}
                            for path in service.exposes
                        ]
                    },
                }
            ],
        },
    }
    opened = {"from": [network.namespace(names.INGRESS)], "ports": network.ports(port)}
    return [
        ingress,
        certificate.edge(name, host(name)),
        network.policy("edge-http", name, names.selector(name, "rpc"), ingress=[opened]),
    ]


def _grpc(service: str, port: int) -> list[Object]:
    balancer: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(
            f"{service}-edge", names.tenant(service), names.labels(service, "rpc")
        ),
        "spec": {
            "type": "LoadBalancer",
            # Keeps the caller's address, by which the policy below tells inside from outside.
            "externalTrafficPolicy": "Local",
            "selector": names.selector(service, "rpc"),
            "ports": [{"name": "grpc", "port": port, "targetPort": "grpc"}],
        },
    }
    outside = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": _PRIVATE}},
        {"ipBlock": {"cidr": "::/0", "except": _PRIVATE_V6}},
    ]
    opened = {"from": outside, "ports": network.ports(port)}
    rpc = names.selector(service, "rpc")
    return [balancer, network.policy("edge-grpc", service, rpc, ingress=[opened])]
