"""`meshctl check`: registrations, schemas and contracts agree with each other."""

from __future__ import annotations

from meshctl.catalogue import Catalogue
from meshctl.check import contracts, registrations, schemas


def problems(catalogue: Catalogue) -> list[str]:
    """Everything that is wrong, one line each, each once."""
    found = [
        *registrations.check(catalogue),
        *schemas.check(catalogue),
        *contracts.check(catalogue),
    ]
    return list(dict.fromkeys(found))
