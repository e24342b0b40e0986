"""Folders of runs that look like real ones, made of a seed."""

import functools
import gzip
import json
import operator
import random
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hdrh.histogram import HdrHistogram

from loadtests.driver.result import (
    Check,
    Fault,
    Finding,
    Gate,
    LagSample,
    Phase,
    ResourceSample,
    Result,
    Run,
    Verdict,
    write_samples,
)
from loadtests.report import histograms, measure

BEGAN = datetime(2026, 11, 25, 9, 0, 0, tzinfo=UTC)
RATES = {
    "cameras.PublishDetections": 40.0,
    "emergency.ReportCall": 4.0,
    "kafka:sensors.reading-taken.v1": 60.0,
    "parking.HoldBay": 12.0,
}
_TYPICAL_MS = {
    "cameras.PublishDetections": 2.2,
    "emergency.ReportCall": 4.5,
    "kafka:sensors.reading-taken.v1": 1.1,
    "parking.HoldBay": 9.0,
}
_STALL = (40.0, 46.0)
_KEPT = tempfile.TemporaryDirectory()


def empty() -> HdrHistogram:
    return HdrHistogram(1, 3_600_000_000, 3)


def sample(
    folder: Path,
    verdict: Verdict = "PASS",
    *,
    seed: int = 1,
    seconds: int = 90,
    shards: int = 2,
    slower: float = 1.0,
    operations: dict[str, float] = RATES,
) -> Path:
    """A FAIL has a stopped service, failed calls and findings; an INVALID a late driver."""
    made = _made(verdict, seed, seconds, shards, slower, tuple(operations.items()))
    return Path(shutil.copytree(made, folder, dirs_exist_ok=True))


@functools.cache
def _made(
    verdict: Verdict,
    seed: int,
    seconds: int,
    shards: int,
    slower: float,
    rates: tuple[tuple[str, float], ...],
) -> Path:
    """Once for all tests of a process: it takes longer than most of them."""
    folder, operations = Path(tempfile.mkdtemp(dir=_KEPT.name)), dict(rates)
    chance = random.Random(seed)
    faulty = verdict == "FAIL"
    run = _run(seed, seconds, shards, operations, faulty)
    planned: dict[str, int] = dict.fromkeys(operations, 0)
    zero = BEGAN.timestamp()
    for shard in range(shards):
        place = folder / "shards" / str(shard)
        place.mkdir(parents=True)
        intervals: dict[tuple[int, str], HdrHistogram] = {}
        lines = []
        for name, rate in operations.items():
            at = chance.random() / rate
            number = 0
            while at < seconds:
                lag = chance.expovariate(1 / (0.03 if verdict == "INVALID" else 0.0002))
                service = _TYPICAL_MS.get(name, 3.0) / 1000 * slower
                service *= chance.lognormvariate(0, 0.35)
                if chance.random() < 0.01:
                    service *= chance.uniform(3, 20)
                status, waited = "ok", 0.0
                if faulty and _STALL[0] <= at < _STALL[1] and name.startswith("cameras"):
                    waited = _STALL[1] - at
                    status = chance.choice(["ok", "ok", "failed", "unknown"])
                sent, done = at + lag + waited * 0.9, at + lag + waited + service
                second = int(zero + done)
                for kind, value in (
                    ("response", done - at),
                    ("service", done - sent),
                    ("lag", lag),
                ):
                    one = intervals.setdefault((second, f"{name}|{kind}"), empty())
                    one.record_value(max(1, round(value * 1e6)))
                lines.append(
                    {
                        "op": name,
                        "n": number,
                        "key": f"{name}-{number % 50}",
                        "intended": round((zero + at) * 1e6),
                        "sent": round((zero + sent) * 1e6),
                        "done": round((zero + done) * 1e6),
                        "status": status,
                        "detail": "",
                        "acknowledged": [],
                    }
                )
                planned[name] += 1
                number += 1
                at += chance.expovariate(rate / shards)
        with histograms.writing(place / "intervals.hlog", zero) as writer:
            for (second, tag), histogram in sorted(intervals.items(), key=lambda one: one[0]):
                writer.write(histograms.Interval(second, tag, histogram))
        with gzip.open(place / "history.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    run = run.model_copy(update={"planned": planned})
    run.write(folder)
    _freshness(folder, chance, seconds, faulty)
    _samples(folder, chance, seconds, faulty)
    _check(faulty).write(folder)
    _result(folder, verdict).write(folder)
    return folder


def _run(seed: int, seconds: int, shards: int, operations: dict[str, float], faulty: bool) -> Run:
    def at(second: float) -> datetime:
        return BEGAN + timedelta(seconds=second)

    return Run(
        scenario="chaos" if faulty else "smoke",
        about="The city's day at a tenth, every department, all calls on an intended schedule.",
        text="name: smoke\nseconds: 90\nphases:\n  - name: steady\n    seconds: 70\n",
        seed=seed,
        began=BEGAN,
        ended=at(seconds),
        shards=shards,
        phases=(
            Phase(name="warm-up", began=at(0), ended=at(seconds * 0.2), rates=operations),
            Phase(
                name="steady",
                began=at(seconds * 0.2),
                ended=at(seconds),
                rates=operations,
                sources=dict.fromkeys(operations, "assumption"),
            ),
        ),
        faults=(
            Fault(kind="stop", target="cameras", began=at(_STALL[0]), ended=at(_STALL[1])),
            Fault(kind="kill", target="sensors", began=at(65), ended=at(70), detail="SIGKILL"),
        )
        if faulty
        else (),
        machine={"cpu": "2 × shared virtual core", "memory": "8 GiB", "kernel": "Linux 6.1"},
        versions={"citymesh": "183f6b0", "python": "3.11.7", "kafka": "4.1.0"},
        command=f"make load SCENARIO={'chaos' if faulty else 'smoke'} SEED={seed}",
    )


def _freshness(folder: Path, chance: random.Random, seconds: int, faulty: bool) -> None:
    effects = {
        "112 dispatch|urgent": (60, 2),
        "alarm|normal": (35, 20),
        "hourly mean|bulk": (200, 40),
    }
    with histograms.writing(folder / "freshness.hlog", BEGAN.timestamp()) as writer:
        for second in range(seconds):
            for name, (typical, rate) in effects.items():
                one = empty()
                for _ in range(rate):
                    millis = typical * chance.lognormvariate(0, 0.4)
                    if faulty and _STALL[0] <= second < _STALL[1] and name.startswith("alarm"):
                        millis += (_STALL[1] - second) * 1000
                    one.record_value(round(millis * 1000))
                writer.write(
                    histograms.Interval(
                        int(BEGAN.timestamp()) + second, name.replace(" ", "-"), one
                    )
                )


def _samples(folder: Path, chance: random.Random, seconds: int, faulty: bool) -> None:
    processes = ("cameras", "sensors", "emergency", "parking", "health", "kafka", "shard-0")
    used = dict.fromkeys(processes, 0.0)
    samples: list[LagSample | ResourceSample] = []
    for second in range(seconds):
        at = BEGAN.timestamp() + second
        stopped = faulty and _STALL[0] <= second < _STALL[1]
        for number, process in enumerate(processes):
            busy = 0.0 if stopped and process == "cameras" else 0.06 * (number + 1)
            used[process] += busy * chance.uniform(0.7, 1.3)
            samples.append(
                ResourceSample(
                    at=at,
                    process=process,
                    cpu_seconds=used[process],
                    rss=int((90 + 25 * number + chance.uniform(0, 4)) * 2**20),
                    fds=40 + 9 * number + chance.randrange(3),
                    threads=8 + number,
                )
            )
        for service, topic in (
            ("cameras", "cameras.object-detected.v1"),
            ("emergency", "cameras.alarm-escalated.v1"),
            ("sensors", "sensors.reading-taken.v1"),
        ):
            behind = second - _STALL[0] if stopped and service == "cameras" else 0.0
            samples.append(
                LagSample(
                    at=at, service=service, topic=topic, seconds=behind + chance.uniform(0, 0.08)
                )
            )
    write_samples(samples, folder)


def _check(faulty: bool) -> Check:
    checked = {"acknowledged events": 10411, "effects": 10398, "keys": 200}
    none = dict.fromkeys(("lost", "doubled", "reordered", "unseen"), 0)
    if not faulty:
        return Check(complete=True, checked=checked, counts=none)
    return Check(
        complete=True,
        checked=checked,
        counts=none | {"lost": 2},
        findings=tuple(
            Finding(
                kind="lost",
                subject="cameras.PublishDetections",
                id=f"0198c1d2-7e31-5a0b-9d55-2f6a9c3e41{number}",
                detail="acknowledged 09:00:43.120, on no partition of cameras.object-detected.v1",
            )
            for number in (20, 21)
        ),
    )


def _result(folder: Path, verdict: Verdict) -> Result:
    figures = measure(folder).figures
    gates: list[Gate] = []

    def gate(
        name: str, limit: float, value: float | None, unit: str, within: Callable[..., bool]
    ) -> None:
        held: Verdict = "INVALID" if value is None else "PASS" if within(value, limit) else "FAIL"
        gates.append(Gate(name=name, limit=limit, value=value, unit=unit, verdict=held))

    for one in figures.operations:
        gate(f"response p99 of {one.name}", 120, one.response.p99, "ms", operator.le)
    for effect in figures.freshness:
        limit = 500.0
        name = f"freshness p99 of {effect.effect} ({effect.priority})"
        gate(name, limit, effect.freshness.p99, "ms", operator.le)
    gate("lost", 0.0, 2.0 if verdict == "FAIL" else 0.0, "events", operator.le)
    gate("doubled", 0.0, 0.0, "effects", operator.le)
    broken = tuple(
        f"{one.name}: {one.value:,.0f} {one.unit}, at most {one.limit:g} allowed"
        for one in gates
        if one.verdict == "FAIL" and one.value is not None
    )
    late = max(one.lag.p99 for one in figures.operations)
    reasons = {
        "PASS": (),
        "FAIL": broken,
        "INVALID": (
            f"The driver itself was late: send lag p99 {late:.0f} ms, budget 20 ms. "
            "Nothing can be said of the city.",
        ),
    }[verdict]
    return Result(
        scenario="sample", verdict=verdict, reasons=reasons, gates=tuple(gates), figures=figures
    )
