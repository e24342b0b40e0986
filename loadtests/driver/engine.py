"""The open loop: each call begins at its intended instant, whatever the others do."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from loadtests.driver.history import Call
from loadtests.driver.operation import Operation, Outcome, attempts
from loadtests.driver.schedule import Due
from loadtests.driver.sleeper import Sleeper

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# So many calls are begun before the loop looks at anything else.
_AT_ONCE = 64
_CANCELLED = Outcome("unknown", "had not ended when the run did")


class Now:
    """Microseconds since 1970 UTC that never jump; `offset` corrects this machine's clock."""

    def __init__(self, offset: float = 0.0) -> None:
        self._base = time.time_ns() - time.perf_counter_ns() + round(offset * 1000)

    def __call__(self) -> int:
        return (self._base + time.perf_counter_ns()) // 1000


class Engine:
    """Calls operations as they are due and tells `ended` of each.

    At most `in_flight` calls are under way. What is due beyond waits for one to end: its send lag
    tells, and nothing is left out.
    """

    def __init__(
        self,
        operations: Mapping[str, Operation],
        ended: Callable[[Call], None],
        now: Now,
        in_flight: int,
    ) -> None:
        self._operations = operations
        self._ended = ended
        self._now = now
        self._most = in_flight
        self._under_way: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._failure: BaseException | None = None
        self.outcomes: Counter[str] = Counter()

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    async def run(self, dues: Iterator[Due], start: int) -> None:
        """All calls that are due from `start` on, microseconds since 1970; ends with the last one's
        beginning. When it is cancelled, what has not begun never does."""
        loop = asyncio.get_running_loop()
        with Sleeper(loop) as sleeper:
            begun = 0
            for due in dues:
                intended = start + due.micros
                while (left := intended - self._now()) > 0:
                    await sleeper.sleep(left)
                    begun = 0
                while len(self._under_way) >= self._most:
                    self._room.clear()
                    await self._room.wait()
                task = loop.create_task(self._call(due, intended))
                self._under_way.add(task)
                task.add_done_callback(self._done)
                begun += 1
                if begun >= _AT_ONCE:
                    begun = 0
                    await asyncio.sleep(0)
                if self._failure is not None:
                    raise self._failure

    async def drain(self, seconds: float) -> None:
        """Wait for what is under way; what has not ended then is unknown."""
        if self._under_way and seconds > 0:
            await asyncio.wait(tuple(self._under_way), timeout=seconds)
        left = tuple(self._under_way)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        if self._failure is not None:
            raise self._failure

    async def _call(self, due: Due, intended: int) -> None:
        operation = self._operations[due.operation]
        when = _EPOCH + timedelta(microseconds=intended)
        sent = self._now()
        with attempts() as attempted:
            try:
                outcome = await operation(when, due.number)
            except asyncio.CancelledError:
                outcome = _CANCELLED
            except Exception as error:
                # Whether it had an effect cannot be told from here.
                outcome = Outcome("unknown", f"{type(error).__name__}: {error}"[:500])
        done = self._now()
        self.outcomes[outcome.status] += 1
        self._ended(
            Call(
                due.operation,
                due.number,
                outcome.key,
                intended,
                sent,
                done,
                outcome.status,
                outcome.detail,
                outcome.acknowledged,
                tuple(attempted) if outcome.status == "unknown" else (),
            )
        )

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._room.set()
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = failure
