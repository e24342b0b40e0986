"""What a run does, typed: phases, and how often each operation is called in them."""

import time
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rate(_Part):
    """Calls a second over all shards, and their course over a phase.

    `constant`: `rate`. `ramp`: from `rate` to `to`, in a line. `diurnal`: `rate` is the day's mean,
    `hours` its course, `day_seconds` the length of a day that begins at `from_hour`. `burst`:
    `rate`, and `factor` times as much for the last `for_seconds` in every `every_seconds`. With a
    `factor`, a day has bursts too.

    Arrivals come `even`, as a `poisson` process, or on the `minute`: all of a minute's within the
    first `spread_seconds` of it. Minutes are counted from the beginning of the phase.
    """

    rate: float = Field(ge=0)
    profile: Literal["constant", "ramp", "diurnal", "burst"] = "constant"
    arrivals: Literal["even", "poisson", "minute"] = "even"
    to: float | None = Field(default=None, ge=0)
    hours: tuple[float, ...] = ()
    day_seconds: Positive = 86_400.0
    from_hour: float = Field(default=0.0, ge=0, lt=24)
    factor: Positive = 1.0
    every_seconds: Positive = 60.0
    for_seconds: Positive = 10.0
    minute_seconds: Positive = 60.0
    spread_seconds: Positive = 1.0
    source: str = "assumption"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.profile == "ramp" and self.to is None:
            raise ValueError("to: expected the rate at the end of the ramp")
        if self.profile == "diurnal" and (not self.hours or sum(self.hours) <= 0):
            raise ValueError("hours: expected the course of a day")
        if any(hour < 0 for hour in self.hours):
            raise ValueError("hours: expected none below 0")
        if self.for_seconds > self.every_seconds:
            raise ValueError("for_seconds: expected at most every_seconds")
        if self.spread_seconds > self.minute_seconds:
            raise ValueError("spread_seconds: expected at most minute_seconds")
        return self


class PlannedPhase(_Part):
    name: str
    seconds: Positive
    rates: dict[str, Rate] = {}


class Plan(_Part):
    """A run; the engine's side of a scenario.

    `settings` go to the operations. `modules` offer operations beside those of
    `loadtests.driver.operations`. A shard has at most `in_flight` calls that have not ended: what
    is due then waits, and that is send lag. After the last phase calls have `drain_seconds` to end.
    `made_at` is in seconds since 1970: what must be another one in each run on one stack, and the
    same in all shards, goes by it.
    """

    scenario: str
    about: str = ""
    text: str = ""
    command: str = ""
    seed: int = 1
    shards: int = Field(default=1, ge=1, le=256)
    phases: tuple[PlannedPhase, ...]
    settings: dict[str, Any] = {}
    modules: tuple[str, ...] = ()
    made_at: int = Field(default_factory=lambda: int(time.time()))
    in_flight: int = Field(default=10_000, ge=1)
    drain_seconds: Positive = 15.0
    prepare_seconds: Positive = 180.0

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    @property
    def operations(self) -> tuple[str, ...]:
        """All that are called, in order of their first phase."""
        return tuple(dict.fromkeys(name for phase in self.phases for name in phase.rates))
