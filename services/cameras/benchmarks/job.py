"""What a contender's process is told on its standard input, and what it answers on its output."""

import os
import sys
import time

import msgspec
from cameras.alarms.alarm import Site


class Job(msgspec.Struct):
    """Read `events` detections of `topic` from its start as `group`, tell alarms on `output`."""

    topic: str
    partitions: int
    events: int
    output: str
    group: str
    bootstrap: str
    username: str
    password: str
    core: int
    folder: str
    """For files of its own."""
    sites: dict[str, Site]


class Result(msgspec.Struct):
    """From the first record fetched to the last one's commit; seconds, CPU of all its threads."""

    wall: float
    cpu: float


COMMIT_SECONDS = 1.0
"""All contenders commit so often while they work, and at the end."""


def read() -> Job:
    """Also pins this process to the job's core, before it has other threads."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    os.sched_setaffinity(0, {job.core})
    return job


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
        return Result(time.perf_counter() - wall, time.process_time() - cpu)


def answer(result: Result) -> None:
    """The last line on standard output."""
    print(msgspec.json.encode(result).decode(), flush=True)
