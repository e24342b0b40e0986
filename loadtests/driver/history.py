"""What a shard did: a line for each call, and the histograms of each second, from one thread."""

import gzip
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from loadtests.driver.operation import Status
from loadtests.driver.recorder import Recorder
from loadtests.driver.result import HISTORY, INTERVALS
from loadtests.report.histograms import writing

QUEUE = 50_000
_COMPRESSION = 1


class Call(NamedTuple):
    """A call that ended; times in microseconds since 1970 UTC. `attempted` of one whose end is
    unknown."""

    op: str
    n: int
    key: str
    intended: int
    sent: int
    done: int
    status: Status
    detail: str
    acknowledged: tuple[str, ...]
    attempted: tuple[str, ...] = ()


class History:
    """Takes calls as they end, in order of their end.

    A full queue holds whoever adds to it: what is due then is sent late, which is send lag and
    seen as such.
    """

    def __init__(self, calls: gzip.GzipFile, recorder: Recorder) -> None:
        self._calls = calls
        self._recorder = recorder
        self._queue: queue.Queue[Call | None] = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._write, name="history", daemon=True)
        self._failed: Exception | None = None

    def add(self, call: Call) -> None:
        """Raises what the writing failed with."""
        if self._failed is not None:
            raise self._failed
        self._queue.put(call)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """All that was added is written. Raises what the writing failed with."""
        self._queue.put(None)
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def _write(self) -> None:
        try:
            while (call := self._queue.get()) is not None:
                self._calls.write(_line(call))
                self._recorder.add(call.op, call.intended, call.sent, call.done)
            self._recorder.flush()
        except Exception as error:
            self._failed = error
            while self._queue.get() is not None:
                pass


@contextmanager
def writing_history(folder: Path, began: float) -> Iterator[History]:
    """The history of a shard in its folder, and its interval log.

    Readers leave out what is before `began`, epoch seconds.
    """
    with (
        gzip.open(folder / HISTORY, "wb", compresslevel=_COMPRESSION) as calls,
        writing(folder / INTERVALS, began) as intervals,
    ):
        history = History(calls, Recorder(intervals.write))
        history.start()
        try:
            yield history
        finally:
            history.end()


def _line(call: Call) -> bytes:
    return json.dumps(call._asdict(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
