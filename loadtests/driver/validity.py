"""Whether a run measured the city or itself: why it is INVALID, neither passed nor failed."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from loadtests.driver.result import Clock, Figures


class Validity(BaseModel):
    """What a scenario lets its own measuring cost. `not_sent_share` of the intended calls may be
    missing in the history, as when a run was stopped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    send_lag_p99_ms: float = Field(default=20.0, gt=0)
    clock_uncertainty_ms: float = Field(default=5.0, ge=0)
    not_sent_share: float = Field(default=0.0, ge=0, le=1)


def problems(
    limits: Validity, figures: Figures, clock: Clock, shards: int, *, not_ready: str = ""
) -> Iterator[str]:
    """In words; none when the run is valid."""
    if not_ready:
        yield f"not ready: {not_ready}"
    if figures.shards < shards:
        yield f"{figures.shards} of {shards} shards have told what they did"
    if clock.uncertainty_ms > limits.clock_uncertainty_ms:
        yield (
            f"clock uncertainty {clock.uncertainty_ms:.3f} ms,"
            f" at most {limits.clock_uncertainty_ms:g} ms allowed"
        )
    if not any(one.sent for one in figures.operations):
        yield "nothing was sent"
    for one in figures.operations:
        if one.lag.p99 > limits.send_lag_p99_ms:
            yield (
                f"{one.name}: send lag p99 {one.lag.p99:.1f} ms,"
                f" at most {limits.send_lag_p99_ms:g} ms allowed"
            )
        missing = one.intended - one.sent
        if missing > limits.not_sent_share * one.intended:
            yield f"{one.name}: {missing} of {one.intended} intended calls were not sent"
