"""Certificates: who a department or client is, signed by the city's CA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from meshctl.pki import TRUST_DOMAIN
from meshctl.render import names
from meshctl.render.names import Object

_DURATION, _RENEW_BEFORE = "2160h", "720h"


def identity(service: str) -> Object:
    """A department's. gRPC's clients expect its name; the others are where it is found."""
    inside = f"{service}.{names.tenant(service)}.svc"
    found = [service, inside, f"{inside}.cluster.local"]
    # Without a key of their own, cameras and health sign with this one what is checked later.
    return _certificate(names.IDENTITY, names.tenant(service), service, found, "Never")


def of_client(client: str) -> Object:
    """A client's; its Secret is handed to the client."""
    return _certificate(f"{client}-identity", names.CLIENTS, client, [client], "Always")


def edge(service: str, host: str) -> Object:
    """Of the way in for callers outside the mesh. The overlay names an issuer whom they trust."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": names.metadata("edge", names.tenant(service), names.labels(service)),
        "spec": {
            "secretName": "edge",
            "dnsNames": [host],
            "duration": _DURATION,
            "renewBefore": _RENEW_BEFORE,
            "privateKey": _private_key("Always"),
            "usages": ["digital signature", "server auth"],
            "issuerRef": _issuer(),
        },
    }


def _certificate(
    secret: str,
    namespace: str,
    principal: str,
    dns_names: Sequence[str],
    rotation: Literal["Always", "Never"],
) -> Object:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": names.metadata(secret, namespace, names.labels(principal)),
        "spec": {
            "secretName": secret,
            "commonName": principal,
            "dnsNames": list(dns_names),
            "uris": [f"spiffe://{TRUST_DOMAIN}/{principal}"],
            "duration": _DURATION,
            "renewBefore": _RENEW_BEFORE,
            "privateKey": _private_key(rotation),
            "usages": ["digital signature", "server auth", "client auth"],
            "issuerRef": _issuer(),
        },
    }


def _private_key(rotation: str) -> Object:
    """Whether a renewed certificate has a new key."""
    return {"algorithm": "ECDSA", "size": 256, "encoding": "PKCS8", "rotationPolicy": rotation}


def _issuer() -> Object:
    return {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "citymesh-ca"}
