"""The environment of a principal: where everything is, and with what it is let in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from city_backbone.registration import Registration

from meshctl import policy
from meshctl.credentials import Credentials
from meshctl.ports import HOST, Ports
from meshctl.state import State


def of(
    registration: Registration,
    registrations: Iterable[Registration],
    ports: Ports,
    credentials: Credentials,
    state: State,
) -> dict[str, str]:
    """The ``NAME_*`` variables of a service or client. A client has no database and no server."""
    known = tuple(registrations)
    name = registration.service
    certificate = state.ca / f"{name}.pem"
    own = credentials.services.get(name, {})
    values: dict[str, str] = {
        **{setting: own[setting] for setting in registration.secrets},
        **{setting: str(state.folder_of(name, setting)) for setting in registration.folders},
        "KAFKA__BOOTSTRAP_SERVERS": f"{HOST}:{ports['kafka']}",
        "KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA__USERNAME": name,
        "KAFKA__PASSWORD": credentials.kafka[name],
        "REGISTRY__URL": registry_url(ports),
        "TLS__CERT_FILE": str(certificate),
        "TLS__KEY_FILE": str(certificate.with_suffix(".key")),
        "TLS__CA_FILE": str(state.ca / "ca.pem"),
        "PEERS": json.dumps(_peers(registration, known, ports)),
        "REGISTRATION_FILE": str(registration.path),
    }
    if not registration.is_client:
        password = credentials.postgres[name]
        values["DATABASE__DSN"] = (
            f"postgresql://{name}:{password}@{HOST}:{ports['postgres']}/{name}"
        )
        values["POLICY_FILE"] = str(state.policies / f"{name}.json")
        values["INSTANCE"] = f"{name}-0"
    for prefix, listener in (("GRPC", "grpc"), ("HTTP", "http")):
        if f"{name}.{listener}" in ports:
            values[f"{prefix}__HOST"] = HOST
            values[f"{prefix}__PORT"] = str(ports[f"{name}.{listener}"])
    return {f"{name.upper()}_{key}": value for key, value in values.items()}


def registry_url(ports: Ports) -> str:
    """The base of the registry's Confluent-compatible API."""
    return f"http://{HOST}:{ports['registry']}/apis/ccompat/v7"


def _peers(
    registration: Registration, registrations: tuple[Registration, ...], ports: Ports
) -> Mapping[str, str]:
    return {
        name: f"{HOST}:{ports[f'{name}.grpc']}"
        for name in policy.peers(registration, registrations)
    }
