"""Recovery, dead letters, time lags and slopes: what a run's samples say."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from loadtests.driver.result import EventSample, Fault, LagSample, ResourceSample
from loadtests.report import handled
from loadtests.report.recovery import Course, Line, recoveries, steady_lag
from loadtests.report.slopes import slope, slopes

_ZERO = datetime(2026, 11, 25, tzinfo=UTC)
_SECONDS = 60
_LAG = "time lag of sensors readings"


def _at(second: float) -> datetime:
    return _ZERO + timedelta(seconds=second)


def _fault(began: float, ended: float, kind: str = "stop") -> Fault:
    return Fault(kind=kind, target="sensors", began=_at(began), ended=_at(ended))


def _line(value: float, other: Mapping[int, float] | None = None) -> dict[int, float]:
    return dict.fromkeys(range(_SECONDS), value) | dict(other or {})


def _recovered(*faults: Fault, **course: object) -> list[float | None] | None:
    given = {"lags": {_LAG: _line(0.0)}, **course}
    found = recoveries(
        Course(seconds=_SECONDS, **given),  # type: ignore[arg-type]
        faults,
        _ZERO.timestamp(),
    )
    return None if found is None else [one.seconds for one in found]


@pytest.mark.parametrize(
    ("course", "seconds"),
    [
        ({}, 0.0),
        ({"not_ok": Counter(dict.fromkeys(range(20, 37), 1))}, 7.0),
        ({"took": {"response of a": _line(0.1, {34: 1.1, 36: 9.0})}}, 7.0),
        # Slow before is slow enough after.
        ({"took": {"response of a": _line(0.1, {8: 2.0, 34: 2.0})}}, 0.0),
        # What was slow in the first seconds says nothing of what is usual.
        ({"took": {"response of a": _line(0.1, {1: 2.0, 34: 2.0})}}, 5.0),
        ({"lags": {_LAG: _line(0.0, dict.fromkeys(range(20, 45), 9.0))}}, 15.0),
        # One event under way is not a stream that is behind.
        ({"lags": {_LAG: _line(0.0, dict.fromkeys(range(32, 36), 9.0))}}, 0.0),
        # Nor is a service as before that tells nothing.
        ({"lags": {_LAG: {at: 0.0 for at in range(_SECONDS) if not 20 < at < 40}}}, 10.0),
        # It lasts: a spell of four seconds is none.
        ({"not_ok": Counter(dict.fromkeys((30, 35, 40, 45), 1))}, 16.0),
    ],
)
def test_recovery_is_when_each_second_is_as_before(
    course: dict[str, object], seconds: float
) -> None:
    assert _recovered(_fault(20, 30), **course) == [seconds]


def test_what_is_not_as_before_at_the_end_never_recovered() -> None:
    late = Counter(dict.fromkeys(range(20, 57), 1))
    assert _recovered(_fault(20, 30), not_ok=late) == [None]
    (found,) = (
        recoveries(Course(seconds=_SECONDS, not_ok=late), [_fault(20, 30)], _ZERO.timestamp()) or ()
    )
    assert (found.watched, found.detail) == (30.0, "1 calls not ok")


def test_each_fault_has_its_own_recovery() -> None:
    bad = Counter(dict.fromkeys((21, 22, 40, 41), 1))
    assert _recovered(_fault(20, 20), _fault(40, 40), not_ok=bad) == [3.0, 2.0]


def test_without_anything_before_nothing_can_be_said() -> None:
    assert _recovered(_fault(7, 9)) is None
    assert _recovered(_fault(8, 9)) == [0.0]


def test_a_time_lag_is_one_that_stays() -> None:
    line: Line = {1: 4.0, 2: 5.0, 3: 3.0, 9: 2.0}
    assert [steady_lag(line, second) for second in (1, 2, 3, 8, 9, 15)] == [4, 4, 3, 3, 2, 0]


def _events(
    *counts: tuple[float, float, float, float], topic: str = "readings"
) -> list[EventSample]:
    return [
        EventSample(at=at, service="s", topic=topic, began=began, consumed=consumed, dead=dead)
        for at, began, consumed, dead in counts
    ]


def test_counters_that_begin_anew_are_counted_on() -> None:
    samples = _events((99, 50, 1000, 7), (110, 50, 1040, 8), (120, 115, 5, 0), (130, 115, 30, 2))
    (found,) = handled.events(samples, 100)
    assert (found.consumed, found.dead, found.processes) == (70, 3, 2)


def test_a_second_process_of_a_service_is_counted_beside_the_first() -> None:
    samples = _events((99, 50, 10, 0), (101, 100.5, 1, 0), (110, 50, 20, 0), (110, 100.5, 6, 1))
    (found,) = handled.events(samples, 100)
    assert (found.consumed, found.dead, found.processes) == (16, 1, 2)
    idle = _events((99, 50, 10, 0), (110, 50, 10, 0))
    assert handled.events(idle, 100)[0].processes == 0


def test_a_service_that_is_silent_at_the_end_has_no_time_lag_there() -> None:
    samples = [
        LagSample(at=100.0 + second, service=service, topic="t", seconds=float(second))
        for second in range(20)
        for service in ("told", "silent")
        if service == "told" or second < 15
    ]
    silent, told = handled.time_lags(samples, 100)
    assert (silent.service, silent.last, silent.worst) == ("silent", None, 9.0)
    assert (told.service, told.last) == ("told", 14.0)


def test_a_slope_is_found_through_noise_and_odd_samples() -> None:
    chance = random.Random(4)
    points = [(float(x), 3.0 * x + chance.gauss(0, 5)) for x in range(900)]
    odd = [(x, 1e6 if x % 9 == 0 else y) for x, y in points]
    assert slope(points) == pytest.approx(3.0, rel=0.01)
    assert slope(odd) == pytest.approx(3.0, rel=0.05)
    assert slope([(1.0, 5.0)]) == 0.0


def _resources(process: str, rss: list[int], cpu: list[float]) -> list[ResourceSample]:
    return [
        ResourceSample(
            at=float(at), process=process, cpu_seconds=used, rss=size * 2**20, fds=10, threads=at
        )
        for at, (size, used) in enumerate(zip(rss, cpu, strict=True))
    ]


def test_a_part_grows_as_its_last_process_did_when_it_was_warm() -> None:
    warming = [100 * min(at, 20) for at in range(80)]
    steady, cpu = [*warming], [float(at) for at in range(80)]
    anew = _resources("anew", [*warming, *range(80)], [*cpu, *cpu])
    samples = [
        *_resources("steady", steady, cpu),
        *anew,
        *_resources("short", [1] * 20, cpu[:20]),
        *_resources("driver", steady, cpu),
    ]
    found = {one.part: one for one in slopes(samples)}
    assert set(found) == {"steady", "anew"}
    assert found["steady"].rss_mib_per_hour == 0
    assert found["steady"].threads_per_hour == pytest.approx(3600)
    assert found["anew"].rss_mib_per_hour == pytest.approx(3600)
