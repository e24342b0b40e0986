"""A scenario file, typed: phases with their rates, faults, gates, and what makes a run invalid."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from loadtests.city.seeded import draws
from loadtests.driver.plan import PlannedPhase
from loadtests.driver.validity import Validity
from loadtests.scenarios.search import Search

FOLDER = Path(__file__).parent / "files"

Milliseconds = Annotated[float, Field(gt=0)]
Priority = Literal["urgent", "normal", "bulk"]
Share = Annotated[float, Field(ge=0, le=1)]


class ScenarioError(ValueError):
    """A scenario that is not there or not as it should be, with file and field."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


FaultKind = Literal["stop", "kill", "restart", "network", "start", "register"]
_LASTING = ("stop", "network", "start", "register")


class PlannedFault(_Part):
    """`at` is seconds after the common start; what is for `seconds` is taken back then.

    - `stop`: a part and its children stand still (SIGSTOP, SIGCONT).
    - `kill`: a part is ended with SIGKILL; its supervisor starts it again.
    - `restart`: a part is ended as it wants to be, and started again.
    - `network`: a room cannot be reached: each connection is closed.
    - `start`: a department has a second worker, a process of the role stream.
    - `register`: of a topic, `target`, a next schema is registered, with one more field, and its
      department is restarted to write that; at the end it writes the schema of before.
    """

    at: float = Field(default=0.0, ge=0)
    kind: FaultKind
    target: str
    seconds: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _timed(self) -> Self:
        if (self.kind in _LASTING) != (self.seconds > 0):
            raise ValueError(f"seconds: expected with {', '.join(_LASTING)}, and only there")
        if self.kind == "network" and not self.target.startswith("room-"):
            raise ValueError("target: only a room can be cut off")
        return self


class Chaos(_Part):
    """Faults in an order that the seed draws: `of` them all before one comes again. Each is made
    `every` seconds from `first` on, none in the last `calm` seconds. `at` is not looked at."""

    first: float = Field(gt=0)
    every: float = Field(gt=0)
    calm: float = Field(gt=0)
    of: tuple[PlannedFault, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _calm_at_the_end(self) -> Self:
        for number, one in enumerate(self.of):
            if one.seconds > self.calm:
                raise ValueError(f"of.{number}.seconds: expected at most calm, {self.calm:g} s")
        return self

    def planned(self, seconds: float, seed: int) -> tuple[PlannedFault, ...]:
        """In a run of so many seconds."""
        chance = draws(seed, "chaos")
        deck: list[PlannedFault] = []
        found: list[PlannedFault] = []
        at = self.first
        while at <= seconds - self.calm:
            deck = deck or chance.sample(self.of, len(self.of))
            found.append(deck.pop().model_copy(update={"at": at}))
            at += self.every
        return tuple(found)


class Limits(_Part):
    """Of one histogram, milliseconds."""

    p99_ms: Milliseconds | None = None
    p999_ms: Milliseconds | None = None


class FreshnessLimits(Limits):
    """Of what was intended in one `phase`, or in all of them."""

    phase: str | None = None


class Ratio(_Part):
    """Freshness p99 of what was intended in `phase` against that of `to`, each effect with
    itself; of all that were seen, or of those that are named."""

    phase: str
    to: str
    p99_at_most: float = Field(gt=0)
    effects: tuple[str, ...] = ()


class Slopes(_Part):
    """How fast a part may grow; `leave_out` are parts that are not judged."""

    rss_mib_per_hour: float | None = Field(default=None, gt=0)
    fds_per_hour: float | None = Field(default=None, gt=0)
    threads_per_hour: float | None = Field(default=None, gt=0)
    leave_out: tuple[str, ...] = ()


class Gates(_Part):
    """`response` by operation; `freshness` and `freshness_ratio` by class (urgent, normal, bulk),
    each effect of it. `not_ok_share` is of all calls: failed and unknown ones; `not_ok_shares` of
    an operation's. `lost`, `doubled`, `reordered` and `unseen` are the checker's counts.

    `dead_letter_share` is of the events that services consumed; the malformed ones that the driver
    planted are among them. `consumers` says by topic how many processes, at least, consumed of it.
    `recovery_seconds` is from a fault's end until all is as it was before
    the first (see loadtests.report.recovery), after the worst one. `time_lag_seconds` is at the end
    of the run, of the worst topic.
    """

    response: dict[str, Limits] = {}
    freshness: dict[Priority, FreshnessLimits] = {}
    freshness_ratio: dict[Priority, Ratio] = {}
    not_ok_share: Share | None = None
    not_ok_shares: dict[str, Share] = {}
    dead_letter_share: Share | None = None
    consumers: dict[str, Annotated[int, Field(gt=0)]] = {}
    recovery_seconds: float | None = Field(default=None, gt=0)
    time_lag_seconds: float | None = Field(default=None, gt=0)
    slopes: Slopes | None = None
    lost: int = Field(default=0, ge=0)
    doubled: int = Field(default=0, ge=0)
    reordered: int = Field(default=0, ge=0)
    unseen: int = Field(default=0, ge=0)

    @property
    def phases(self) -> set[str]:
        """That they look at one by one."""
        ratios = self.freshness_ratio.values()
        alone = {one.phase for one in self.freshness.values() if one.phase is not None}
        return alone | {one.phase for one in ratios} | {one.to for one in ratios}


class Scenario(_Part):
    """One file of `files/`; its name is the file's."""

    name: str
    about: str
    shards: int = Field(default=1, ge=1, le=256)
    phases: tuple[PlannedPhase, ...] = Field(min_length=1)
    faults: tuple[PlannedFault, ...] = ()
    chaos: Chaos | None = None
    settings: dict[str, Any] = {}
    gates: Gates = Gates()
    search: Search | None = None
    validity: Validity = Validity()
    text: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _known(self) -> Self:
        called = {name for phase in self.phases for name in phase.rates}
        for field in ("response", "not_ok_shares"):
            if unknown := sorted(set(getattr(self.gates, field)) - called):
                raise ValueError(f"gates.{field}: {', '.join(unknown)} is called in no phase")
        if nowhere := sorted(self.gates.phases - {phase.name for phase in self.phases}):
            raise ValueError(f"gates: there is no phase {', '.join(nowhere)}")
        if self.search and self.search.phase is None and len(self.phases) > 1:
            raise ValueError("search.phase: expected with more than one phase")
        if self.search and self.search.phase not in (None, *(one.name for one in self.phases)):
            raise ValueError(f"search.phase: there is no phase {self.search.phase}")
        if self.gates.recovery_seconds is not None and not (self.faults or self.chaos):
            raise ValueError("gates.recovery_seconds: there is no fault to recover from")
        if late := self._late:
            raise ValueError(late)
        return self

    @property
    def _late(self) -> str:
        """The first fault that the end of the phases cuts short, in words; empty without one."""
        for number, one in enumerate(self.faults):
            if one.at + one.seconds > self.seconds:
                lasting = f" for {one.seconds:g} s" if one.seconds else ""
                return (
                    f"faults.{number}: {one.kind} at {one.at:g} s{lasting}"
                    f" is over after the phases: expected by {self.seconds:g} s"
                )
        return ""

    @property
    def seconds(self) -> float:
        """Of all phases."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def step(self) -> Self:
        """What a search tries, at factor 1."""
        search = self.search
        if search is None or search.phase is None:
            return self
        phase = next(one for one in self.phases if one.name == search.phase)
        alone = phase.model_copy(update={"seconds": search.seconds})
        return self.model_copy(update={"phases": (alone,)})

    def planned(self, seed: int) -> tuple[PlannedFault, ...]:
        """The faults of a run."""
        drawn = self.chaos.planned(self.seconds, seed) if self.chaos else ()
        return tuple(sorted((*self.faults, *drawn), key=lambda one: one.at))

    def stretched(self, factor: float) -> Self:
        """With phases so many times as long, and faults so many times as late; what chaos draws
        becomes more. Rates, and how long a fault takes, stay. Raises ScenarioError where a fault
        does not fit any more."""
        phases = [one.model_copy(update={"seconds": one.seconds * factor}) for one in self.phases]
        faults = [one.model_copy(update={"at": one.at * factor}) for one in self.faults]
        found = self.model_copy(update={"phases": tuple(phases), "faults": tuple(faults)})
        if late := found._late:
            raise ScenarioError(f"{self.name}, stretched by {factor:g}: {late}")
        return found


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Scenario:
    """By name, or a file of one's own. Raises ScenarioError."""
    path = Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        content = YAML(typ="safe", pure=True).load(text)
    except OSError as error:
        raise ScenarioError(f"{name}: no such scenario, there is {', '.join(names())}") from error
    except YAMLError as error:
        raise ScenarioError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ScenarioError(f"{path}: expected a mapping")
    try:
        return Scenario(**{"name": path.stem, **content, "text": text})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ScenarioError(f"{path}: {where}: {first['msg']}") from None
