"""Liveness is progress: a worker that owns a backlog and does not move it is stuck."""

import time
from collections.abc import Callable, Hashable, Mapping


class Progress:
    """Watches, per partition, the offset up to which all is done against the newest known."""

    def __init__(
        self,
        backlog: Callable[[], Mapping[Hashable, tuple[int, int]]],
        stall_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backlog = backlog
        self._stall = stall_seconds
        self._clock = clock
        self._seen: dict[Hashable, tuple[int, float]] = {}

    def stalled(self) -> list[str]:
        """The partitions that have had a backlog for `stall_seconds` without any progress."""
        now = self._clock()
        seen: dict[Hashable, tuple[int, float]] = {}
        for place, (done, newest) in self._backlog().items():
            before, since = self._seen.get(place, (-1, now))
            if done >= newest or done != before:
                since = now
            seen[place] = (done, since)
        self._seen = seen
        return sorted(
            str(place) for place, (_, since) in seen.items() if now - since >= self._stall
        )

    def excuse(self) -> None:
        """Somebody else was away: count from here."""
        self._seen.clear()
