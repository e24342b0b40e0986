"""Compose's network as a container sees it: names are compose.yaml's, ports those registered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from city_backbone.registration import Registration

from meshctl.render import names

# What a container finds of its own, and only of its own, at the paths that it has in Kubernetes.
CONFIGURATION = PurePosixPath("/etc/citymesh")
DATA = PurePosixPath("/var/lib/citymesh")
TLS = CONFIGURATION / "tls"
POLICY = CONFIGURATION / "policy" / "policy.json"

KAFKA_PORT = 9094
HEALTH_PORT = 8086


class Inside:
    """Places of those who are in the network."""

    kafka = f"kafka:{KAFKA_PORT}"
    kafka_ca: Path | None = Path(TLS / "ca.crt")
    registry = "registry:8080"
    postgres = "postgres:5432"

    def __init__(self, registrations: Iterable[Registration]) -> None:
        self._ports = {found.service: found.port for found in registrations}

    def peer(self, service: str) -> str:
        return f"{service}:{self._ports[service]}"

    def listeners(self, registration: Registration) -> Mapping[str, str]:
        ports = {
            "GRPC": registration.port,
            "HTTP": registration.http_port,
            "HEALTH": HEALTH_PORT,
        }
        return {f"{prefix}__PORT": str(port) for prefix, port in ports.items() if port}

    def files(self, registration: Registration) -> Mapping[str, str]:
        values = {setting: str(folder(setting)) for setting in registration.folders}
        values |= {
            "TLS__CERT_FILE": str(TLS / "tls.crt"),
            "TLS__KEY_FILE": str(TLS / "tls.key"),
            "TLS__CA_FILE": str(TLS / "ca.crt"),
        }
        if not registration.is_client:
            values["POLICY_FILE"] = str(POLICY)
        return values


def folder(setting: str) -> PurePosixPath:
    """Where a service has the files of one of its `folders`."""
    return DATA / names.folder(setting)
