"""The room's session keys, in memory: a restarted room knows none, as a real one."""

import secrets
from collections.abc import Callable


class Sessions:
    """Keys granted by AUTH, each alive for `seconds` on `clock` (seconds, monotonic).

    At most `limit` are alive; a further grant ends the oldest.
    """

    def __init__(self, seconds: float, limit: int, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._ends: dict[str, float] = {}

    def grant(self) -> str:
        """A new key, 32 hex digits."""
        while len(self._ends) >= self._limit:
            del self._ends[next(iter(self._ends))]
        key = secrets.token_hex(16)
        self._ends[key] = self._clock() + self._seconds
        return key

    def alive(self, key: str) -> bool:
        """Whether `key` was granted and has not ended."""
        return self._ends.get(key, float("-inf")) > self._clock()

    def expire(self) -> int:
        """End every key; the number that were known."""
        known = len(self._ends)
        self._ends.clear()
        return known
