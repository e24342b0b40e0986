"""How a scenario searches the knee: which rates it tries, and when one is held."""

from pydantic import BaseModel, ConfigDict, Field


class Search(BaseModel):
    """The scenario's one phase is a step; its rates are factor 1.

    Factors grow by `growth` from `first` until one is not held or is beyond `most`; then the last
    that was held and the first that was not are bisected to `precision`, and what was found is
    confirmed `confirmations` times. A step is held when all calls were ok to `not_ok_share`, each
    operation's response p99 is within `p99_ms`, and no topic's time lag grew beyond
    `time_lag_seconds` (seconds).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: float = Field(default=1.0, gt=0)
    growth: float = Field(default=1.5, gt=1)
    most: float = Field(default=256.0, gt=0)
    precision: float = Field(default=0.05, gt=0, lt=1)
    confirmations: int = Field(default=3, ge=1)
    p99_ms: float = Field(default=1000.0, gt=0)
    not_ok_share: float = Field(default=0.001, ge=0, le=1)
    time_lag_seconds: float = Field(default=5.0, gt=0)
