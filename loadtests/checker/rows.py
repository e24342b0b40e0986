"""What the check is made of, beside calls and events on topics."""

from dataclasses import dataclass

ROOM = "room-"
"""With a room's name behind it: its record, as a place."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of a department's database. Of a `cause` there may be one id in a place; `due` is the
    place where the id must be found then."""

    place: str
    id: str
    cause: str = ""
    due: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """How far an entity has come, after its department; `new` when it came into being in the run:
    then all its events must be on the topic."""

    topic: str
    entity: str
    revision: int
    new: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """What a department counted itself: fewer than expected is lost, more is doubled. It says
    nothing when the driver wrote `topic` past the department."""

    subject: str
    id: str
    expected: int
    found: int
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What a department has for a room: `taken` when the room acknowledged it in the run,
    `waiting` when it is of the run and was not acknowledged yet."""

    room: str
    id: str
    taken: bool
    waiting: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A line of a room's record, the room's lines in their order: the `number`-th that it was told
    `about`, which is an incident or the answers to one. A `repeat` was recognised by the room and
    had no effect; `new` came in the run."""

    room: str
    id: str
    about: str
    number: int
    line: int
    repeat: bool
    new: bool


@dataclass(frozen=True, slots=True)
class World:
    """What happened before `began` (microseconds since 1970) is not asked for.

    `alone` when nobody but the driver wrote topics with calls of their own: else an event that none
    of its calls named is no finding. `margin` is how far the clocks of two calls may be
    apart, microseconds.
    """

    began: int = 0
    alone: bool = False
    margin: int = 0
