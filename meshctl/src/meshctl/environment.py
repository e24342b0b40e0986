"""The environment of a principal: where everything is, and with what it is let in."""

from __future__ import annotations

import json
from collections.abc import Iterable

from city_backbone.registration import Registration

from meshctl import policy
from meshctl.credentials import Credentials
from meshctl.places import Places, registry_url


def of(
    registration: Registration,
    registrations: Iterable[Registration],
    places: Places,
    credentials: Credentials,
) -> dict[str, str]:
    """The ``NAME_*`` variables of a service or client. A client has no database and no server."""
    name = registration.service
    own = credentials.services.get(name, {})
    peers = policy.peers(registration, registrations)
    values: dict[str, str] = {
        **{setting: own[setting] for setting in registration.secrets},
        **places.files(registration),
        "KAFKA__BOOTSTRAP_SERVERS": places.kafka,
        "KAFKA__SECURITY_PROTOCOL": "SASL_SSL" if places.kafka_ca else "SASL_PLAINTEXT",
        "KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA__USERNAME": name,
        "KAFKA__PASSWORD": credentials.kafka[name],
        "REGISTRY__URL": registry_url(places),
        "PEERS": json.dumps({peer: places.peer(peer) for peer in peers}),
    }
    if places.kafka_ca:
        values["KAFKA__CA_FILE"] = str(places.kafka_ca)
    if not registration.is_client:
        password = credentials.postgres[name]
        values["DATABASE__DSN"] = f"postgresql://{name}:{password}@{places.postgres}/{name}"
        values["INSTANCE"] = f"{name}-0"
        values |= places.listeners(registration)
    return {f"{name.upper()}_{key}": value for key, value in values.items()}
