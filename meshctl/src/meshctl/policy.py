"""Who may call what: computed from the registrations' ``serves`` and ``calls``."""

from __future__ import annotations

from collections.abc import Iterable

from city_backbone.registration import Registration


def for_service(
    service: Registration, registrations: Iterable[Registration]
) -> dict[str, list[str]]:
    """Callers by method of this service: ``{"pkg.Service/Method": ["emergency", ...]}``.

    A caller of ``pkg.Service/*`` is listed under that key.
    """
    callers: dict[str, set[str]] = {}
    for caller in registrations:
        for call in caller.calls:
            if call.partition("/")[0] in service.serves:
                callers.setdefault(call, set()).add(caller.service)
    return {method: sorted(names) for method, names in sorted(callers.items())}


def peers(caller: Registration, registrations: Iterable[Registration]) -> list[str]:
    """The services whose methods this one calls."""
    wanted = {call.partition("/")[0] for call in caller.calls}
    return sorted(found.service for found in registrations if wanted & set(found.serves))
