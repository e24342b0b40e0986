"""docs/catalogue.md: what the city knows and can be asked, for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from city_backbone.registration import Produces, Registration

from meshctl import policy
from meshctl.catalogue import Catalogue

_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_TITLE = """\
<!-- Rendered by meshctl render from services/*/service.yaml: do not edit. -->
# Catalogue

Every fact of the city and who reads it, every question and who may ask it. What a fact's fields \
mean is in its schema, what a question promises in `protos/city`.
"""


def text(catalogue: Catalogue) -> str:
    parts = [_TITLE, _overview(catalogue)]
    parts += [_department(service, catalogue) for service in catalogue.services]
    if catalogue.clients:
        parts.append(_clients(catalogue))
    return "\n".join(parts)


def _overview(catalogue: Catalogue) -> str:
    rows = [
        [
            f"[{service.service}](#{service.service})",
            service.owner,
            service.contact,
            service.priority,
            _sentence(f"`{path}`" for path in service.exposes),
            _sentence(service.reaches),
        ]
        for service in catalogue.services
    ]
    titles = ["department", "owner", "contact", "priority", "HTTP from outside", "reaches"]
    return _table(titles, rows)


def _department(service: Registration, catalogue: Catalogue) -> str:
    found = [f"## {service.service}\n"]
    if service.produces:
        rows = [_topic(service, produced, catalogue) for produced in service.produces]
        titles = ["topic", "class", "key", "partitions", "kept", "readers"]
        found.append(_table(titles, rows))
    if service.serves:
        found.append(_table(["service", "method", "callers"], _calls(service, catalogue)))
    if service.calls:
        asked = sorted({called.partition("/")[0] for called in service.calls})
        found.append(f"Asks {_sentence(f'`{one}`' for one in asked)}.\n")
    return "\n".join(found)


def _topic(service: Registration, produced: Produces, catalogue: Catalogue) -> list[str]:
    readers = [
        one.service
        for one in catalogue
        if any(consumed.topic == produced.topic for consumed in one.consumes)
    ]
    schema = f"../services/{service.service}/events/{produced.schema_file}"
    kept = _length(produced.retention) + (", newest per key" if produced.compacted else "")
    return [
        f"[`{produced.topic}`]({schema})",
        produced.visibility,
        produced.key,
        str(produced.partitions),
        kept,
        _sentence(readers),
    ]


def _calls(service: Registration, catalogue: Catalogue) -> Iterable[list[str]]:
    """Who calls what, a service that nobody calls too."""
    allowed = policy.for_service(service, catalogue)
    for served in service.serves:
        methods = [call for call in allowed if call.partition("/")[0] == served]
        for call in methods:
            yield [f"`{served}`", f"`{call.partition('/')[2]}`", _sentence(allowed[call])]
        if not methods:
            yield [f"`{served}`", "", "nobody"]


def _clients(catalogue: Catalogue) -> str:
    rows = [
        [client.service, client.owner, client.contact, str(len(client.consumes)), _asked(client)]
        for client in catalogue.clients
    ]
    titles = ["client", "owner", "contact", "topics read", "asks"]
    return "## Clients\n\n" + _table(titles, rows)


def _asked(client: Registration) -> str:
    return _sentence(
        f"`{name}`" for name in sorted({call.partition("/")[0] for call in client.calls})
    )


def _length(duration: timedelta) -> str:
    """As service.yaml says it."""
    seconds = int(duration.total_seconds())
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _sentence(words: Iterable[str]) -> str:
    return ", ".join(words)


def _table(titles: list[str], rows: Iterable[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
