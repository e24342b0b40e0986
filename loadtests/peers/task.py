"""What a contender's process is told on its standard input, and what it answers on its output."""

import os
import sys
import time
from pathlib import Path

import msgspec

COMMIT_SECONDS = 1.0
"""All contenders commit so often while they work, and at the end."""
_SMAPS, _STATUS = Path("/proc/self/smaps_rollup"), Path("/proc/self/status")


class Task(msgspec.Struct):
    """Read `events` records of `topic` as `group`, tell what `job` makes of them on `output`."""

    job: str
    topic: str
    partitions: int
    events: int
    output: str
    group: str
    bootstrap: str
    username: str
    password: str
    dsn: str
    """Of a database where a contender may have tables of its own."""
    cores: list[int]
    folder: str
    """For files of its own."""
    before: int
    """Records that the group has behind it, over all partitions."""
    places: msgspec.Raw
    """The job's own: registered sites or stations."""
    held: bool = False
    """Whether to wait for a line on standard input before the first record."""


class Result(msgspec.Struct):
    """From the first record fetched to the last one's commit.

    wall, cpu: seconds; cpu of all threads. rss: peak, pss: at the end, both bytes; 0 where /proc
    does not tell.
    """

    wall: float
    cpu: float
    rss: int = 0
    pss: int = 0


def read() -> Task:
    """Also pins this process to the task's cores, before it has other threads."""
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    os.sched_setaffinity(0, task.cores)
    return task


class Stopwatch:
    def __init__(self) -> None:
        self._started: tuple[float, float] | None = None

    def start(self) -> None:
        """The first call counts."""
        if self._started is None:
            self._started = time.perf_counter(), time.process_time()

    def stop(self) -> Result:
        assert self._started is not None, "no record came"
        wall, cpu = self._started
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        # Not the one of getrusage: that begins with the parent's, over a fork.
        return Result(wall, cpu, _kilobytes(_STATUS, "VmHWM:"), _kilobytes(_SMAPS, "Pss:"))


def answer(result: Result) -> None:
    """The last line on standard output."""
    print(msgspec.json.encode(result).decode(), flush=True)


def _kilobytes(file: Path, name: str) -> int:
    """A line of /proc in bytes; 0 where it does not tell."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
