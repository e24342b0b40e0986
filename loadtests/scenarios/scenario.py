"""A scenario file, typed: phases with their rates, faults, gates, and what makes a run invalid."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from loadtests.driver.plan import PlannedPhase
from loadtests.driver.validity import Validity
from loadtests.scenarios.search import Search

FOLDER = Path(__file__).parent / "files"

Milliseconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ScenarioError(ValueError):
    """A scenario that is not there or not as it should be, with file and field."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlannedFault(_Part):
    """`stop` freezes a process for `seconds` (SIGSTOP, SIGCONT), `kill` ends it (SIGKILL; its
    supervisor starts it again). `at` is seconds after the common start."""

    at: float = Field(ge=0)
    kind: Literal["stop", "kill"]
    target: str
    seconds: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _timed(self) -> Self:
        if (self.kind == "stop") != (self.seconds > 0):
            raise ValueError("seconds: expected with stop, and only there")
        return self


class Limits(_Part):
    """Of one histogram, milliseconds."""

    p99_ms: Milliseconds | None = None
    p999_ms: Milliseconds | None = None


class Gates(_Part):
    """`response` by operation, `freshness` by class (urgent, normal, bulk), each class's worst
    effect. `not_ok_share` is of all calls: failed and unknown ones. `lost`, `doubled`, `reordered`
    and `unseen` are the checker's counts."""

    response: dict[str, Limits] = {}
    freshness: dict[Literal["urgent", "normal", "bulk"], Limits] = {}
    not_ok_share: Share | None = None
    lost: int = Field(default=0, ge=0)
    doubled: int = Field(default=0, ge=0)
    reordered: int = Field(default=0, ge=0)
    unseen: int = Field(default=0, ge=0)


class Scenario(_Part):
    """One file of `files/`; its name is the file's."""

    name: str
    about: str
    shards: int = Field(default=1, ge=1, le=256)
    phases: tuple[PlannedPhase, ...] = Field(min_length=1)
    faults: tuple[PlannedFault, ...] = ()
    settings: dict[str, Any] = {}
    gates: Gates = Gates()
    search: Search | None = None
    validity: Validity = Validity()
    text: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _known(self) -> Self:
        called = {name for phase in self.phases for name in phase.rates}
        if unknown := sorted(set(self.gates.response) - called):
            raise ValueError(f"gates.response: {', '.join(unknown)} is called in no phase")
        seconds = sum(phase.seconds for phase in self.phases)
        if late := [fault for fault in self.faults if fault.at + fault.seconds > seconds]:
            raise ValueError(f"faults: {late[0].kind} at {late[0].at} s is over after the phases")
        return self


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
