"""citymesh over more partitions and more worker processes: what an event costs then."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import msgspec

from loadtests.peers import usl
from loadtests.peers.figures import spread
from loadtests.peers.task import Result
from loadtests.peers.turn import Turn

PARTITIONS, WORKERS = (1, 2, 4, 8), (1, 2, 4)
_READY_SECONDS = 90.0
_RUN_SECONDS = 200.0
_END_SECONDS = 60.0


@dataclass(frozen=True, order=True)
class Size:
    partitions: int
    workers: int


SIZES = tuple(
    sorted({Size(number, 1) for number in PARTITIONS} | {Size(max(PARTITIONS), w) for w in WORKERS})
)


@dataclass(frozen=True)
class Scaled:
    """One run: events a second by the clock, CPU seconds per event of all workers, PSS bytes of
    the largest one."""

    rate: float
    cpu: float
    pss: float


class StuckError(Exception):
    """Workers did not take their partitions, or did not do their events."""


def run(now: Turn, workers: int, fill: Callable[[], None]) -> Scaled:
    """The turn must be held, and its topic empty. From the moment that all workers begin.

    Filled only when each worker has its partitions: of records fetched before a rebalance two
    workers say that they have done them, and then all seem done too early.
    """
    group: list[_Worker] = []
    try:
        for number in range(workers):
            group.append(_Worker(now, number))
        deadline = time.monotonic() + _READY_SECONDS
        while now.stack.members(now.task.group, now.task.topic) != (workers, now.task.partitions):
            _patience(group, deadline, "no partitions")
        fill()
        for one in group:
            one.line()
        deadline = time.monotonic() + _RUN_SECONDS
        while sum(one.done() for one in group) < now.task.events:
            _patience(group, deadline, "not done")
        for one in group:
            one.line()
        results = [one.result() for one in group]
    finally:
        for one in group:
            one.process.kill()
    wall = max(one.wall for one in results)
    return Scaled(
        now.task.events / wall,
        sum(one.cpu for one in results) / now.task.events,
        max(one.pss for one in results),
    )


class _Worker:
    def __init__(self, now: Turn, number: int) -> None:
        name = f"{now.stack.city.service.upper()}_INSTANCE"
        environment = {**now.environment(), name: f"peers-{number}"}
        self._turn = now
        self.process = now.contender.start(environment)
        self._out, self._error = [b""], b""
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(now.task) + b"\n")
        self.process.stdin.flush()
        self._threads = [
            threading.Thread(target=one, daemon=True) for one in (self._told, self._said)
        ]
        for one in self._threads:
            one.start()

    def line(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def done(self) -> int:
        last = self._out[-1]
        return int(last) if last.isdigit() else 0

    def result(self) -> Result:
        self.process.wait(_END_SECONDS)
        for one in self._threads:
            one.join()
        out = b"\n".join(self._out)
        return self._turn.contender.result(self.process.returncode, out, self._error)

    def _told(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._out.append(line.strip())

    def _said(self) -> None:
        assert self.process.stderr is not None
        self._error = self.process.stderr.read()


def _patience(group: Sequence[_Worker], deadline: float, what: str) -> None:
    for one in group:
        if one.process.poll() is not None:
            one.result()
    if time.monotonic() > deadline:
        raise StuckError(f"{what} with {len(group)} workers")
    time.sleep(0.02)


def table(runs: Mapping[Size, Sequence[Scaled]]) -> list[str]:
    """Cost is by round beside that of the first row of its series: one partition, or one worker."""
    lines = [
        f"{'partitions':>10}{'workers':>9}{'events/s':>11}{'spread':>8}{'µs CPU':>9}"
        f"{'spread':>8}{'cost beside the first':>26}{'PSS':>9}"
    ]
    for size, some in runs.items():
        first = runs[Size(min(PARTITIONS), 1) if size.workers == 1 else Size(size.partitions, 1)]
        ratios = [one.cpu / other.cpu for one, other in zip(some, first, strict=True)]
        rates, costs = [one.rate for one in some], [one.cpu for one in some]
        ratio = f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        lines.append(
            f"{size.partitions:>10}{size.workers:>9}{median(rates):>11,.0f}{spread(rates):>8.0%}"
            f"{median(costs) * 1e6:>9.1f}{spread(costs):>8.0%}{ratio:>26}"
            f"{median(one.pss for one in some) / 2**20:>6.0f} MB"
        )
    return lines


def laws(runs: Mapping[Size, Sequence[Scaled]]) -> dict[str, usl.Law]:
    """By CPU: over what N CPU seconds bring, so that sigma and kappa are 0 when an event costs the
    same. By the clock has waiting for a core in it too; over partitions it would only say that one
    process is one process."""
    most = max(PARTITIONS)
    partitions = {one.partitions: some for one, some in runs.items() if one.workers == 1}
    workers = {one.workers: some for one, some in runs.items() if one.partitions == most}
    return {
        "partitions, by CPU": usl.fit(
            [(number, number / one.cpu) for number, some in partitions.items() for one in some]
        ),
        "workers, by CPU": usl.fit(
            [(number, number / one.cpu) for number, some in workers.items() for one in some]
        ),
        "workers, by the clock": usl.fit(
            [(number, one.rate) for number, some in workers.items() for one in some]
        ),
    }


def as_json(runs: Mapping[Size, Sequence[Scaled]]) -> list[dict[str, object]]:
    return [
        {
            "partitions": size.partitions,
            "workers": size.workers,
            "events_per_second": [round(one.rate) for one in some],
            "cpu_us": [round(one.cpu * 1e6, 1) for one in some],
        }
        for size, some in runs.items()
    ]
