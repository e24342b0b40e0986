"""Who calls, from the client certificate, and whether the registrations allow it."""

import json
from collections.abc import Mapping
from pathlib import Path

import grpc.aio

from city_backbone.errors import PermissionDenied, SettingsError

PREFIX = "spiffe://citymesh/"


def caller(context: "grpc.aio.ServicerContext[object, object]") -> str:
    """The department of the peer's certificate. Raises PermissionDenied when it has none."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    for name in names:
        text = name.decode()
        if text.startswith(PREFIX):
            return text.removeprefix(PREFIX)
    raise PermissionDenied("NO_IDENTITY", f"client certificate: expected a SAN URI {PREFIX}<name>")


class Policy:
    """Which callers may use which method: all registrations' `calls`, read backwards."""

    def __init__(self, grants: Mapping[str, frozenset[str]]) -> None:
        self._grants = grants

    @classmethod
    def load(cls, path: Path) -> "Policy":
        """From `{"package.Service/Method" or "package.Service/*": ["caller", …]}` as JSON.

        Raises SettingsError.
        """
        try:
            grants = json.loads(path.read_text())
            if not all(isinstance(callers, list) for callers in grants.values()):
                raise TypeError("expected a list of callers per method")
            return cls({method: frozenset(callers) for method, callers in grants.items()})
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise SettingsError(f"POLICY_FILE: {path}: {error}") from error

    def allows(self, method: str, name: str) -> bool:
        """`method` as gRPC writes it: `/package.Service/Method`."""
        plain = method.removeprefix("/")
        service = plain.rpartition("/")[0]
        return any(name in self._grants.get(key, ()) for key in (plain, f"{service}/*"))
