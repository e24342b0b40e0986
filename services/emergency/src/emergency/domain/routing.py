"""Which rooms hear of which kinds of incidents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from emergency.domain.incident import Incident


@dataclass(frozen=True, slots=True)
class Route:
    """A room and the kinds it hears of: patterns such as `air.*` or `*`."""

    room: str
    kinds: tuple[str, ...]


def rooms_for(incident: Incident, routes: Iterable[Route]) -> Sequence[str]:
    """The rooms to tell, never the one that the incident came from."""
    return [
        route.room
        for route in routes
        if route.room != incident.source.room
        and any(fnmatchcase(incident.kind, pattern) for pattern in route.kinds)
    ]
