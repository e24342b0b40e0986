"""How many bulk calls a process works on at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from city_backbone.errors import Overloaded


class Turn:
    """A call's part of the bound: from its start, while it waits for its first message, to the end
    of that, and again for each further message. One that is silent in between takes none."""

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self._counted = False

    def begin(self) -> None:
        if not self._counted:
            self._counted = True
            self._admission.busy += 1

    def end(self) -> None:
        if self._counted:
            self._counted = False
            self._admission.busy -= 1


class Admission:
    """Without a bound, callers of a process that cannot keep up all wait until their deadlines, and
    what is done then is done in vain; with it, what is let in is done in time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.busy = 0

    @contextmanager
    def call(self) -> Iterator[Turn]:
        """Around a call; its turn has begun."""
        turn = Turn(self)
        turn.begin()
        try:
            yield turn
        finally:
            turn.end()

    def check(self) -> None:
        """Of a call whose turn it is. Raises Overloaded when there are too many at once."""
        if self.busy > self._most:
            raise Overloaded(
                f"{self.busy} calls at once, expected at most {self._most}: send again later"
            )
