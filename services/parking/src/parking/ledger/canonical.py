"""RFC 8785 JSON, of which every hash of the ledger is made."""

from collections.abc import Mapping

import rfc8785

_LARGEST = 2**53 - 1  # what every JSON reader reads exactly


def canonical(said: Mapping[str, str | int | None]) -> bytes:
    """Integers beyond 2^53 - 1 as text: only who alters the database writes such."""
    return rfc8785.dumps({name: _exact(value) for name, value in said.items()})


def _exact(value: str | int | None) -> str | int | None:
    return str(value) if isinstance(value, int) and abs(value) > _LARGEST else value
