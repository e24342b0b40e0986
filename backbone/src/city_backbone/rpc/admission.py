"""How many bulk calls wait or are worked on at once in a process."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from city_backbone.errors import Overloaded

# A call that came has its first message with it, though it may not have been read yet.
_FIRST_SECONDS = 2.0


class Turn:
    """A call's place, from its start to the end of its first message, and again for each further
    one. Whoever is silent in between has none, nor who has sent nothing for two seconds."""

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self._counted = False
        self._count()
        self._silent = asyncio.get_running_loop().call_later(_FIRST_SECONDS, self.end)

    def begin(self) -> None:
        """Of a message that has come."""
        self._silent.cancel()
        self._count()

    def end(self) -> None:
        """Of the message, or of the call."""
        self._silent.cancel()
        if self._counted:
            self._counted = False
            self._admission.busy -= 1

    def _count(self) -> None:
        if not self._counted:
            self._counted = True
            self._admission.busy += 1


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
