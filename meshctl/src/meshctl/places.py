"""Where everything is, for those whose environment is made and for what applies registrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from city_backbone.registration import Registration

from meshctl.ports import HOST, Ports
from meshctl.state import State


class Places(Protocol):
    """Addresses are ``host:port``; without a CA the broker is spoken to in the clear."""

    @property
    def kafka(self) -> str: ...

    @property
    def kafka_ca(self) -> Path | None: ...

    @property
    def registry(self) -> str: ...

    @property
    def postgres(self) -> str: ...

    def peer(self, service: str) -> str:
        """Where a service takes calls."""
        ...

    def listeners(self, registration: Registration) -> Mapping[str, str]:
        """The settings that say where a service listens."""
        ...

    def files(self, registration: Registration) -> Mapping[str, str]:
        """The settings that name files and folders."""
        ...


@dataclass(frozen=True, slots=True)
class Local:
    """One machine: all on the loopback, files in the state folder."""

    ports: Ports
    state: State

    @property
    def kafka(self) -> str:
        return f"{HOST}:{self.ports['kafka']}"

    @property
    def kafka_ca(self) -> None:
        return None

    @property
    def registry(self) -> str:
        return f"{HOST}:{self.ports['registry']}"

    @property
    def postgres(self) -> str:
        return f"{HOST}:{self.ports['postgres']}"

    def peer(self, service: str) -> str:
        return f"{HOST}:{self.ports[f'{service}.grpc']}"

    def listeners(self, registration: Registration) -> Mapping[str, str]:
        values: dict[str, str] = {}
        for prefix in ("GRPC", "HTTP"):
            port = self.ports.get(f"{registration.service}.{prefix.lower()}")
            if port is not None:
                values |= {f"{prefix}__HOST": HOST, f"{prefix}__PORT": str(port)}
        return values

    def files(self, registration: Registration) -> Mapping[str, str]:
        name, state = registration.service, self.state
        values = {setting: str(state.folder_of(name, setting)) for setting in registration.folders}
        certificate = state.ca / f"{name}.pem"
        values |= {
            "TLS__CERT_FILE": str(certificate),
            "TLS__KEY_FILE": str(certificate.with_suffix(".key")),
            "TLS__CA_FILE": str(state.ca / "ca.pem"),
            "REGISTRATION_FILE": str(registration.path),
        }
        if not registration.is_client:
            values["POLICY_FILE"] = str(state.policies / f"{name}.json")
        return values


def registry_url(places: Places) -> str:
    """The base of the registry's Confluent-compatible API."""
    return f"http://{places.registry}/apis/ccompat/v7"
