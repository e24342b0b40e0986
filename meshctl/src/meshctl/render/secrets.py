"""The Secrets of the city from the state folder's secrets.json: never committed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from meshctl.catalogue import Catalogue
from meshctl.credentials import REGISTRY, Credentials
from meshctl.errors import MeshctlError
from meshctl.render import names, user
from meshctl.render.names import Object
from meshctl.render.yaml import documents, kustomization
from meshctl.state import write_text

_HEADER = "# Made by meshctl render --secrets: keep it where passwords are kept, never commit it.\n"


def objects(catalogue: Catalogue, credentials: Credentials) -> list[Object]:
    """Kafka's passwords on both sides, and the services' own secrets.

    Databases' passwords are CloudNativePG's to make, certificates cert-manager's.
    """
    passwords = credentials.kafka
    found = [
        _secret(user.password_secret(name), names.KAFKA, {"password": passwords[name]})
        for name in sorted({REGISTRY, *(one.service for one in catalogue)})
    ]
    found.append(_secret("kafka", names.REGISTRY, _login(REGISTRY, passwords)))
    for service in catalogue.services:
        name, own = service.service, credentials.services.get(service.service, {})
        found.append(_secret("kafka", names.tenant(name), _login(name, passwords)))
        if service.secrets:
            settings = {f"{name.upper()}_{one}": own[one] for one in service.secrets}
            found.append(_secret("settings", names.tenant(name), settings))
    for client in catalogue.clients:
        name = client.service
        found.append(_secret(f"{name}-kafka", names.CLIENTS, _login(name, passwords)))
    return found


def write(folder: Path, found: list[Object]) -> None:
    """A file per namespace and their kustomization, for their owner only. Raises MeshctlError."""
    spaces = sorted({one["metadata"]["namespace"] for one in found})
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
        for space in spaces:
            own = [one for one in found if one["metadata"]["namespace"] == space]
            write_text(folder / f"{space}.yaml", _HEADER + documents(own), mode=0o600)
        top = kustomization([f"{space}.yaml" for space in spaces])
        write_text(folder / "kustomization.yaml", _HEADER + documents([top]), mode=0o600)
    except OSError as error:
        raise MeshctlError(f"{error.filename}: {error.strerror}") from error


def _login(principal: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """With what KEDA needs to know beside the password."""
    login = {"username": principal, "password": passwords[principal]}
    return {**login, "sasl": "scram_sha512", "tls": "enable"}


def _secret(name: str, namespace: str, content: Mapping[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": names.metadata(name, namespace, {names.PART_OF: "citymesh"}),
        "type": "Opaque",
        "stringData": dict(content),
    }
