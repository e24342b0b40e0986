"""Every registration of a checkout: the services, and the clients of the local stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from city_backbone.registration import Registration, load_all

from meshctl.errors import SettingsError
from meshctl.settings import Settings


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Registrations in the order of their names."""

    services: tuple[Registration, ...]
    clients: tuple[Registration, ...]

    def __iter__(self) -> Iterator[Registration]:
        yield from self.services
        yield from self.clients

    def find(self, name: str) -> Registration:
        """The registration of this name, upper or lower case. Raises SettingsError."""
        for registration in self:
            if registration.service == name.lower():
                return registration
        names = ", ".join(registration.service for registration in self)
        raise SettingsError(f"nobody is registered as {name!r}, there is {names or 'nobody'}")


def load(settings: Settings, folders: Sequence[Path] = ()) -> Catalogue:
    """Read every ``<folder>/<service>/service.yaml`` and the clients.

    Raises RegistrationError, and SettingsError for a folder that is none.
    """
    for folder in folders:
        if not folder.is_dir():
            raise SettingsError(f"{folder}: expected a folder of services")
    services = sorted(
        path
        for folder in folders or [settings.root / "services"]
        for path in folder.resolve().glob("*/service.yaml")
    )
    clients = sorted((settings.local / "clients").glob("*.yaml"))
    known = load_all([*services, *clients])
    return Catalogue(
        services=tuple(found for found in known if found.path in services),
        clients=tuple(found for found in known if found.path in clients),
    )
