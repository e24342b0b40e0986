"""Who is whose neighbour, from all registrations together."""

from __future__ import annotations

from collections.abc import Iterable

from city_backbone.registration import Registration

from meshctl import policy
from meshctl.catalogue import Catalogue


def neighbours(caller: Registration, catalogue: Catalogue) -> list[Registration]:
    """The departments that this one calls, itself left out."""
    called = set(policy.peers(caller, catalogue.services)) - {caller.service}
    return [service for service in catalogue.services if service.service in called]


def callers(service: Registration, catalogue: Catalogue) -> list[Registration]:
    """The departments that call this one, itself left out."""
    return _calling(service, catalogue.services)


def client_callers(service: Registration, catalogue: Catalogue) -> list[Registration]:
    """The clients that call this one."""
    return _calling(service, catalogue.clients)


def unknown(catalogue: Catalogue) -> list[str]:
    """What registrations name of departments whose registrations are not here, one line each."""
    served = {served for service in catalogue.services for served in service.serves}
    produced = {one.topic for service in catalogue.services for one in service.produces}
    found = []
    for service in catalogue.services:
        for name in sorted({call.partition("/")[0] for call in service.calls} - served):
            found.append(f"{service.service} calls {name}, which nobody here serves: no address")
        for topic in service.dead_letter_topics():
            if topic not in produced:
                found.append(
                    f"{service.service} reads {topic}, which nobody here produces: its dead letters"
                    " get the broker's number of partitions"
                )
    return found


def _calling(service: Registration, candidates: Iterable[Registration]) -> list[Registration]:
    return [
        caller
        for caller in candidates
        if caller.service != service.service and policy.peers(caller, [service])
    ]
