"""How long after a fault's end until all is as it was before the first fault. Pure.

Each second of the run is looked at by itself, with what was *intended* in it: a call or an effect
counts there, however late it was done. A second is as before when

- no more calls than in the worst second before were not ok,
- each operation's response p99 and each urgent effect's freshness p99 is at most a second, or at
  most that of the worst second before,
- each topic's time lag, which its service tells, is at most five seconds, or at most the worst
  before.

A fault is recovered from with the first of five seconds on end that are as before. "Before" begins
some seconds after the run: connections and caches are made in the first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.driver.result import Fault, LagSample, Recovery

Line = Mapping[int, float]
"""A value by second of the run."""

ENOUGH = 1.0
"""Seconds of response or freshness that are good whatever was before."""
ENOUGH_LAG = 5.0
"""Seconds of time lag that are so; see `steady_lag` for why it is more."""
LAG_WINDOW = 6
STEADY = 5
"""So many seconds on end make a recovery."""
_WARM_UP = 5
_FEWEST = 3
# A service that does not tell its time lag for so many seconds is away.
_SILENCE = 3


@dataclass
class Course:
    """What the seconds of a run were like. `took` are p99s in seconds by name; `lags` time lags by
    service and topic, the worst sample of a second."""

    seconds: int
    not_ok: Counter[int] = field(default_factory=Counter)
    took: dict[str, Line] = field(default_factory=dict)
    lags: dict[str, Line] = field(default_factory=dict)


def recoveries(course: Course, faults: Sequence[Fault], zero: float) -> tuple[Recovery, ...] | None:
    """`zero` is the run's begin, seconds since 1970. None when there is too little before."""
    if not faults:
        return ()
    first = int(min(fault.began.timestamp() for fault in faults) - zero)
    before = range(_WARM_UP, min(first, course.seconds))
    if len(before) < _FEWEST:
        return None
    wrong = _wrong(course, before)
    return tuple(_recovery(fault, zero, course.seconds, wrong) for fault in faults)


def steady_lag(line: Line, second: int) -> float:
    """The least of the last seconds, what is not told left out.

    A service asks each two seconds how far it has committed, each second, and tells the age of the
    event before: one event under way counts for seconds, one of a topic with few events for as long
    as the one before is past. A stream that is behind is so without a break.
    """
    window = range(second - LAG_WINDOW + 1, second + 1)
    return min((line[at] for at in window if at in line), default=0.0)


def lags(samples: Iterable[LagSample], zero: float) -> dict[tuple[str, str], Line]:
    """By service and topic, of a second the worst."""
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for one in samples:
        line, second = found[one.service, one.topic], int(one.at - zero)
        line[second] = max(one.seconds, line.get(second, 0.0))
    return dict(found)


def _recovery(fault: Fault, zero: float, seconds: int, wrong: Sequence[str]) -> Recovery:
    name = f"{fault.kind} {fault.target}"
    ended = (fault.ended or fault.began).timestamp() - zero
    watched = max(0.0, seconds - ended)
    last = ""
    if fault.ended is None:
        return Recovery(fault=name, seconds=None, watched=watched, detail="it was not taken back")
    second = int(ended)
    while second + STEADY <= seconds:
        bad = next((at for at in range(second, second + STEADY) if wrong[at]), None)
        if bad is None:
            took = max(0.0, second - ended)
            detail = f"last: {last}" if last else ""
            return Recovery(fault=name, seconds=took, watched=watched, detail=detail)
        last, second = wrong[bad], bad + 1
    return Recovery(fault=name, seconds=None, watched=watched, detail=last)


def _wrong(course: Course, before: range) -> list[str]:
    """Of each second what is not as before, in words; nothing when all is."""
    most = max(course.not_ok[second] for second in before)
    took = {
        name: _limit(ENOUGH, (line.get(at, 0.0) for at in before))
        for name, line in course.took.items()
    }
    lags = {
        name: _limit(ENOUGH_LAG, (steady_lag(line, at) for at in before))
        for name, line in course.lags.items()
    }
    told = {name: line for name, line in course.lags.items() if any(at in line for at in before)}
    found = []
    for second in range(course.seconds):
        if course.not_ok[second] > most:
            found.append(f"{course.not_ok[second]} calls not ok")
            continue
        words = [
            f"{name} {line[second]:.1f} s"
            for name, line in course.took.items()
            if line.get(second, 0.0) > took[name]
        ]
        words += [
            f"{name} {lag:.1f} s"
            for name, line in course.lags.items()
            if (lag := steady_lag(line, second)) > lags[name]
        ]
        found.append(words[0] if words else _silent(told, second))
    return found


def _limit(enough: float, before: Iterable[float]) -> float:
    return max(enough, *before)


def _silent(told: Mapping[str, Line], second: int) -> str:
    recent = range(second - _SILENCE + 1, second + 1)
    return next((f"no {name}" for name, line in told.items() if line.keys().isdisjoint(recent)), "")
