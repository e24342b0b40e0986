"""The search of the knee: which factor of the rates is tried next. Pure."""

from math import sqrt

from pydantic import BaseModel, ConfigDict, Field


class Search(BaseModel):
    """A step is `phase`, for `seconds`, or without one the scenario's only phase; the scenario's
    rates are factor 1. What is found is the factor of all phases.

    Factors grow by `growth` from `first` until one is not held or is beyond `most`; then the last
    that was held and the first that was not are bisected to `precision`, and what was found is
    confirmed `confirmations` times on end. A step that is not held is repeated once before it
    counts. A step is held when of its calls at most `not_ok_share` were
    not ok, each operation's response p99 is within `p99_ms`, and no topic's time lag at its end is
    beyond `time_lag_seconds`. `at_least`: the factor that is to be held.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    phase: str | None = None
    seconds: float = Field(default=8.0, gt=0)
    first: float = Field(default=1.0, gt=0)
    growth: float = Field(default=1.5, gt=1)
    most: float = Field(default=256.0, gt=0)
    precision: float = Field(default=0.05, gt=0, lt=1)
    confirmations: int = Field(default=3, ge=1)
    p99_ms: float = Field(default=1000.0, gt=0)
    not_ok_share: float = Field(default=0.001, ge=0, le=1)
    time_lag_seconds: float = Field(default=5.0, gt=0)
    at_least: float = Field(default=1.0, gt=0)


_MOST_STEPS = 48
# Below this share of the first factor nothing is looked for.
_LEAST = 1 / 64


class Knee:
    """Told how each factor went, asks for the next. `factor` is the highest that was held and not
    taken back, 0 while there is none; `confirmed` says whether it was held so often as asked, on
    end. A factor breaks when it was not held twice: one noisy step breaks nothing."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._held: list[float] = []
        self._broken: float | None = None
        self._citys = False
        # Factors that were not held once, and whether the city did not.
        self._doubted: dict[float, bool] = {}
        self._again: float | None = None
        self._confirmations = 0
        self._steps = 0

    @property
    def factor(self) -> float:
        return max(self._held, default=0.0)

    @property
    def broken(self) -> float | None:
        """The lowest factor that was not held, or not to be measured."""
        return self._broken

    @property
    def citys(self) -> bool:
        """Whether it was the city that did not hold `broken`."""
        return self._citys

    @property
    def confirmed(self) -> bool:
        return bool(self._held) and self._confirmations >= self._search.confirmations

    def next(self) -> float | None:
        """None when it is found, or is not to be found."""
        if self.confirmed or self._steps >= _MOST_STEPS:
            return None
        if self._again is not None:
            return self._again
        low, high, search = self.factor, self._broken, self._search
        if high is None:
            above = low * search.growth if low else search.first
            return above if above <= search.most else (low or None)
        if not low:
            below = high / search.growth
            return below if self._citys and below >= search.first * _LEAST else None
        return sqrt(low * high) if high > low * (1 + search.precision) else low

    def tell(self, factor: float, *, held: bool | None) -> None:
        """How the step of next() went; None when it says nothing of the city. A confirmation that
        was not held, twice, is where it breaks, and the search goes on below."""
        self._steps += 1
        self._again = None
        if held:
            self._confirmations = self._confirmations + 1 if factor in self._held else 0
            self._held.append(factor)
            return
        self._confirmations = 0
        by_city = held is False
        if factor not in self._doubted:
            self._doubted[factor], self._again = by_city, factor
            return
        self._held = [one for one in self._held if one < factor]
        self._broken, self._citys = factor, by_city and self._doubted[factor]
