"""Which rooms hear of which incidents.

An incident with desks goes to the rooms that serve one of them; one without, or whose desks no room
serves, goes to the rooms without desks that hear of its kind.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from emergency.domain.incident import Incident


@dataclass(frozen=True, slots=True)
class Route:
    """A room, the kinds it hears of (patterns such as `air.*` or `*`) or the desks it serves."""

    room: str
    kinds: tuple[str, ...]
    desks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Called:
    """A room to tell, and the desk that it is told as; None for one that hears by kinds."""

    room: str
    desk: str | None = None


def rooms_for(incident: Incident, routes: Iterable[Route]) -> Sequence[Called]:
    """The rooms to tell, never the one that the incident came from.

    Rooms without desks hear, by kind, of what no desk or a desk that nobody serves is called to.
    """
    others = [route for route in routes if route.room != incident.source.room]
    # The incident's order of desks, which only grows, so a room of both keeps its desk.
    called = [
        Called(route.room, next(desk for desk in incident.facts.desks if desk in route.desks))
        for route in others
        if set(incident.facts.desks) & set(route.desks)
    ]
    served = {desk for route in others for desk in route.desks}
    if incident.facts.desks and set(incident.facts.desks) <= served:
        return called
    return called + [
        Called(route.room)
        for route in others
        if not route.desks and any(fnmatchcase(incident.kind, pattern) for pattern in route.kinds)
    ]
