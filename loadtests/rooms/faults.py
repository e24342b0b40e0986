"""How the room misbehaves on request."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Mode(BaseModel):
    """What POST /control takes.

    `down` answers every SCSNS call with `status`, or closes the connection when `close` is set,
    and neither reads nor applies anything. `slow` applies first and answers `delay_seconds` later,
    so that a caller who gives up and repeats is seen. With `for_seconds` it is `up` again after.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["up", "down", "slow"]
    delay_seconds: float = Field(default=0, ge=0, le=3600)
    status: int = Field(default=503, ge=400, le=599)
    close: bool = False
    for_seconds: float | None = Field(default=None, gt=0)


UP = Mode(mode="up")


class Faults:
    """The mode in force on `clock` (seconds, monotonic)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mode = UP
        self._until = float("inf")

    def set(self, mode: Mode) -> None:
        """Put `mode` in force, from now."""
        self._mode = mode
        self._until = float("inf") if mode.for_seconds is None else self._clock() + mode.for_seconds

    def current(self) -> Mode:
        """The mode in force now."""
        if self._clock() >= self._until:
            self.set(UP)
        return self._mode
