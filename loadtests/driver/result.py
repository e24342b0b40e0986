"""The files of a run's folder that are JSON, typed: run.json, lag.jsonl, resources.jsonl,
events.jsonl, check.json and result.json.

Who writes what: whoever runs the scenario writes `Run` and the `.jsonl` files, the checker
writes `Check`, and `loadtests.report.measure` makes `Figures` of histograms and history, which the
gates judge into a `Result`. The report draws what it finds and needs only run.json.

`run.write(folder)` and `Run.read(folder)` put a file in its place; times are ISO 8601 with a zone
in run.json, seconds since 1970 (`at`) in the `.jsonl` files.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

Verdict = Literal["PASS", "FAIL", "INVALID"]
EXIT_CODES: dict[Verdict, int] = {"PASS": 0, "FAIL": 1, "INVALID": 2}

INTERVALS = "intervals.hlog"
HISTORY = "history.jsonl.gz"
SHARDS = "shards"
FRESHNESS = "freshness.hlog"
MERGED = "merged.hlog"


class ResultError(ValueError):
    """A file of a run's folder that is missing or not as it should be, named."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _File(_Part):
    FILE: ClassVar[str]

    @classmethod
    def read(cls, folder: Path) -> Self:
        path = folder / cls.FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ResultError(f"{path}: {error}") from error

    @classmethod
    def read_if_there(cls, folder: Path) -> Self | None:
        return cls.read(folder) if (folder / cls.FILE).exists() else None

    def write(self, folder: Path) -> None:
        text = self.model_dump_json(indent=1, by_alias=True)
        (folder / self.FILE).write_text(text + "\n", encoding="utf-8")


# run.json


class Phase(_Part):
    """A phase as it took place; `rates` are calls a second by operation, each profile's mean."""

    name: str
    began: AwareDatetime
    ended: AwareDatetime
    rates: dict[str, float] = {}
    sources: dict[str, str] = {}


class Fault(_Part):
    """A fault as it was made; `ended` is None while nothing took it back."""

    kind: str
    target: str
    began: AwareDatetime
    ended: AwareDatetime | None = None
    detail: str = ""


class Clock(_Part):
    """The clocks of the machines against each other; one machine alone has zeros."""

    offset_ms: float = 0.0
    uncertainty_ms: float = 0.0


class Run(_File):
    """run.json: what was run, where and when.

    `text` is the scenario file as it was read. `planned` counts the intended calls of all shards by
    operation: what is planned and not in the history was never sent. `shards` is how many there
    should be.
    """

    FILE: ClassVar[str] = "run.json"

    version: Literal[1] = 1
    scenario: str
    about: str = ""
    text: str = ""
    seed: int
    began: AwareDatetime
    ended: AwareDatetime
    shards: int
    planned: dict[str, int] = {}
    phases: tuple[Phase, ...] = ()
    faults: tuple[Fault, ...] = ()
    clock: Clock = Clock()
    machine: dict[str, str | int | float] = {}
    versions: dict[str, str] = {}
    command: str = ""


# lag.jsonl, resources.jsonl and events.jsonl, a sample a line


class LagSample(_Part):
    """Time lag of a service's topic, its worst partition: now − event time of what it handled
    last."""

    FILE: ClassVar[str] = "lag.jsonl"

    at: float
    service: str
    topic: str
    seconds: float


class ResourceSample(_Part):
    """One process; `cpu_seconds` is counted from its start, `rss` is bytes."""

    FILE: ClassVar[str] = "resources.jsonl"

    at: float
    process: str
    cpu_seconds: float
    rss: int
    fds: int
    threads: int


class EventSample(_Part):
    """What a service's process had consumed from a topic (handled or buried) and sent to its dead
    letters since it `began`, seconds since 1970: both count anew in each process."""

    FILE: ClassVar[str] = "events.jsonl"

    at: float
    service: str
    topic: str
    began: float
    consumed: float
    dead: float


Sample = LagSample | ResourceSample | EventSample
_Sample = TypeVar("_Sample", LagSample, ResourceSample, EventSample)


def read_samples(kind: type[_Sample], folder: Path) -> Iterator[_Sample]:
    """Nothing when the file is not there."""
    path = folder / kind.FILE
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield kind.model_validate_json(line)
            except ValidationError as error:
                raise ResultError(f"{path}, line {number}: {error}") from error


def write_samples(samples: Iterable[Sample], folder: Path) -> None:
    """Appends, each to the file of its kind."""
    for sample in samples:
        with (folder / sample.FILE).open("a", encoding="utf-8") as file:
            file.write(sample.model_dump_json() + "\n")


# check.json


class Finding(_Part):
    """One thing the checker found, for example kind "lost", subject "cameras.PublishDetections"."""

    kind: Literal["lost", "doubled", "reordered", "unseen"]
    subject: str
    id: str
    detail: str = ""


class Check(_File):
    """check.json: `checked` counts what was looked at and `counts` what was found, by kind;
    `findings` are the first of them. `complete` is False when not all could be read, `detail` says
    what."""

    FILE: ClassVar[str] = "check.json"

    version: Literal[1] = 1
    complete: bool
    detail: str = ""
    checked: dict[str, int] = {}
    counts: dict[str, int] = {}
    findings: tuple[Finding, ...] = ()


# result.json


class Percentiles(_Part):
    """Of one histogram, in milliseconds; all 0 when `count` is 0."""

    count: int
    min: float
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    p9999: float
    max: float


class OperationFigures(_Part):
    """One operation over the run. `sent` = ok + failed + unknown; rates are a second of all phases,
    `achieved_rate` counts what was ok."""

    name: str
    intended: int
    sent: int
    ok: int
    failed: int
    unknown: int
    intended_rate: float
    achieved_rate: float
    response: Percentiles
    service: Percentiles
    lag: Percentiles


class FreshnessFigures(_Part):
    """Event to effect; `priority` is the class: urgent, normal or bulk."""

    effect: str
    priority: str
    freshness: Percentiles


class PhaseFigures(_Part):
    """What was intended in one phase, whenever it took effect."""

    name: str
    freshness: tuple[FreshnessFigures, ...] = ()


class EventFigures(_Part):
    """Of a service's topic over the run: events consumed, how many of them were buried, and how
    many processes consumed any."""

    service: str
    topic: str
    consumed: int
    dead: int
    processes: int = 0


class TimeLagFigures(_Part):
    """Of a service's topic, seconds: at the end of the run, and the worst, each the least of six
    samples on end (see loadtests.report.recovery.steady_lag). `last` is None when the service did
    not tell at the end."""

    service: str
    topic: str
    last: float | None
    worst: float


class Recovery(_Part):
    """How long after a fault's end it took until all was as before; None: never in the `watched`
    seconds after it. `detail` says what was last."""

    fault: str
    seconds: float | None
    watched: float
    detail: str = ""


class SlopeFigures(_Part):
    """How fast a part grew, over `seconds` of its last process after the warm-up."""

    part: str
    seconds: float
    rss_mib_per_hour: float
    fds_per_hour: float
    threads_per_hour: float


class Figures(_Part):
    """What was measured, merged over the shards; `shards` is how many were found.

    `recoveries` is None when nothing tells what it was like before the first fault."""

    seconds: float
    shards: int
    operations: tuple[OperationFigures, ...] = ()
    freshness: tuple[FreshnessFigures, ...] = ()
    phases: tuple[PhaseFigures, ...] = ()
    events: tuple[EventFigures, ...] = ()
    time_lags: tuple[TimeLagFigures, ...] = ()
    recoveries: tuple[Recovery, ...] | None = None
    slopes: tuple[SlopeFigures, ...] = ()


class Gate(_Part):
    """One limit and what was measured; `verdict` INVALID when it could not be measured (`value`
    None). `limit` and `value` are in `unit`; `direction` says which side of the limit is good."""

    name: str
    limit: float
    value: float | None
    unit: str = ""
    direction: Literal["at most", "at least"] = "at most"
    verdict: Verdict
    detail: str = ""


class Step(_Part):
    """One rate that a search for the knee tried."""

    rate: float
    achieved: float
    p99_ms: float
    held: bool
    detail: str = ""


class Result(_File):
    """result.json. `reasons` say why the verdict is not PASS; `remarks` are for the reader."""

    FILE: ClassVar[str] = "result.json"

    version: Literal[1] = 1
    scenario: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    figures: Figures
    steps: tuple[Step, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]
