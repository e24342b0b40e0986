"""What the stack's processes use, and how far their streams are behind, each second of a run."""

import asyncio
import itertools
import json
import os
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil

from loadtests.driver.result import EventSample, LagSample, ResourceSample, Sample, write_samples

DRIVER = "driver"
OTHERS = "others"
"""All that works on the machine and is neither the stack's nor the driver's, as one process."""
_SECOND = 1.0
_PROCESSES_EVERY = 3
"""Seconds: what all processes use takes a fiftieth of one to read."""
_LAG = re.compile(
    r'^city_stream_time_lag_seconds\{[^}]*messaging_destination_name="([^"]+)"[^}]*\} (\S+)$',
    re.MULTILINE,
)
_BEGAN = re.compile(r"^process_start_time_seconds (\S+)$", re.MULTILINE)
_CONSUMED = re.compile(r"^messaging_client_consumed_messages_total\{(.*)\} (\S+)$", re.MULTILINE)
_DEAD = re.compile(r"^city_stream_dead_letters_total\{(.*)\} (\S+)$", re.MULTILINE)
_TOPIC = "messaging_destination_name"
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


class Processes:
    """Of a stack by its state folder, each part with its children, and this one with its shards.

    A part that is started again is found again: its figures begin anew. `further` are processes
    beside the stack's, by name; it may change.
    """

    def __init__(self, state: Path | None, further: Mapping[str, int]) -> None:
        self._run = None if state is None else state / "run.json"
        self._further = further
        self._used: dict[str, float] = {}
        self._busy = _busy_seconds()
        self._others = 0.0

    def sample(self) -> list[ResourceSample]:
        """All of them now; with a stack, what others use too, since there were samples."""
        at, children = time.time(), _children()
        samples = [
            found
            for name, pid in self._pids().items()
            if (found := self._of(at, name, pid, children)) is not None
        ]
        if self._run is not None:
            samples.append(self._of_others(at, samples))
        return samples

    def _of_others(self, at: float, samples: Sequence[ResourceSample]) -> ResourceSample:
        used, busy = {one.process: one.cpu_seconds for one in samples}, _busy_seconds()
        known = sum(max(0.0, now - self._used.get(name, now)) for name, now in used.items())
        self._others += max(0.0, busy - self._busy - known)
        self._used, self._busy = used, busy
        seconds = round(self._others, 3)
        return ResourceSample(at=at, process=OTHERS, cpu_seconds=seconds, rss=0, fds=0, threads=0)

    def _pids(self) -> dict[str, int]:
        found = {DRIVER: os.getpid(), **self._further}
        if self._run is None:
            return found
        try:
            parts = json.loads(self._run.read_bytes())["parts"]
        except (OSError, ValueError, KeyError):
            return found
        for name, part in parts.items():
            if part.get("process"):
                found[name] = part["process"]["pid"]
        return found

    @staticmethod
    def _of(
        at: float, name: str, pid: int, children: Mapping[int, Sequence[psutil.Process]]
    ) -> ResourceSample | None:
        try:
            waiting, found = [psutil.Process(pid)], False
        except psutil.Error:
            return None
        cpu, rss, fds, threads = 0.0, 0, 0, 0
        while waiting:
            one = waiting.pop()
            waiting += children.get(one.pid, ())
            try:
                with one.oneshot():
                    times = one.cpu_times()
                    cpu += times.user + times.system
                    rss += one.memory_info().rss
                    threads += one.num_threads()
                    fds += one.num_fds()
                    found = True
            except psutil.Error:
                continue
        if not found:
            return None
        return ResourceSample(
            at=at, process=name, cpu_seconds=round(cpu, 3), rss=rss, fds=fds, threads=threads
        )


def _children() -> Mapping[int, Sequence[psutil.Process]]:
    """Of all processes, by their parent: looked for once, not for each part."""
    found: dict[int, list[psutil.Process]] = defaultdict(list)
    for one in psutil.process_iter(["ppid"]):
        found[one.info["ppid"]].append(one)
    return found


def _busy_seconds() -> float:
    """Of all processors, by whomever, since the machine's start."""
    times = psutil.cpu_times()._asdict()
    # A guest's time is in the user's; what is stolen is no work of this machine.
    left_out = ("idle", "iowait", "steal", "guest", "guest_nice")
    return float(sum(spent for name, spent in times.items() if name not in left_out))


def lags(service: str, text: str, at: float) -> list[LagSample]:
    """Of each topic the worst partition, from a service's /metrics."""
    worst: dict[str, float] = {}
    for topic, value in _LAG.findall(text):
        worst[topic] = max(worst.get(topic, 0.0), float(value))
    return [
        LagSample(at=at, service=service, topic=topic, seconds=seconds)
        for topic, seconds in sorted(worst.items())
    ]


def events(service: str, text: str, at: float) -> list[EventSample]:
    """Of each topic that it consumes, from a service's /metrics. What it parked it will consume."""
    began = _BEGAN.search(text)
    if began is None:
        return []
    dead = {dict(_LABEL.findall(labels))[_TOPIC]: float(n) for labels, n in _DEAD.findall(text)}
    consumed = dict.fromkeys(dead, 0.0)
    for labels, count in _CONSUMED.findall(text):
        found = dict(_LABEL.findall(labels))
        if found["outcome"] != "parked":
            consumed[found[_TOPIC]] = consumed.get(found[_TOPIC], 0.0) + float(count)
    return [
        EventSample(
            at=at,
            service=service,
            topic=topic,
            began=float(began[1]),
            consumed=count,
            dead=dead.get(topic, 0.0),
        )
        for topic, count in sorted(consumed.items())
    ]


def service_of(process: str) -> str:
    """Whose a process is: a further one of a service is named `service#number`, and that of its
    stream, where meshctl has one, `service-stream`."""
    return process.partition("#")[0].removesuffix("-stream")


def metrics_urls(state: Path) -> dict[str, str]:
    """Of a stack on this machine, by service."""
    ports: dict[str, int] = json.loads((state / "ports.json").read_bytes())
    return {
        name.removesuffix(".http"): f"http://127.0.0.1:{port}/metrics"
        for name, port in ports.items()
        if name.endswith(".http")
    }


def room_urls(state: Path) -> dict[str, str]:
    """Of a stack's stand-ins on this machine, as `freshness.watching` takes them."""
    ports: dict[str, int] = json.loads((state / "ports.json").read_bytes())
    return {
        name.replace(".", "-"): f"http://127.0.0.1:{port}"
        for name, port in ports.items()
        if name.startswith("room.")
    }


@asynccontextmanager
async def sampling(
    folder: Path,
    state: Path | None,
    metrics: Mapping[str, str],
    further: Mapping[str, int] | None = None,
) -> AsyncIterator[None]:
    """Appends to lag.jsonl and events.jsonl each second, to resources.jsonl each third.

    Services are asked one after the other over the second: all at once, what it costs them to
    answer would stand in the way of every alarm that is on its way then.

    `metrics` are URLs and `further` processes beside the stack's, both by name (see `service_of`);
    they may change meanwhile. One that does not answer has no sample, as a process that is not
    there.
    """
    processes = Processes(state, {} if further is None else further)
    timeout = aiohttp.ClientTimeout(total=_SECOND)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        task = asyncio.create_task(_each_second(folder, processes, http, metrics))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _each_second(
    folder: Path, processes: Processes, http: aiohttp.ClientSession, metrics: Mapping[str, str]
) -> None:
    for second in itertools.count():
        samples: list[Sample] = []
        if second % _PROCESSES_EVERY == 0:
            samples += await asyncio.to_thread(processes.sample)
        asked = tuple(metrics.items())
        apart = _SECOND / (len(asked) + 2)  # so that the last one answers within the second too
        waiting = [_told(http, *one, place * apart) for place, one in enumerate(asked)]
        for found in await asyncio.gather(*waiting):
            samples += found
        await asyncio.to_thread(write_samples, samples, folder)
        await asyncio.sleep(_SECOND - time.time() % _SECOND)


async def _told(http: aiohttp.ClientSession, name: str, url: str, later: float) -> list[Sample]:
    service = service_of(name)
    await asyncio.sleep(later)
    try:
        async with http.get(url) as response:
            text, at = await response.text(), time.time()
    except (aiohttp.ClientError, TimeoutError):
        return []
    return [*lags(service, text, at), *events(service, text, at)]
