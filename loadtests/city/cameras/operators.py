"""The operators of the background: they look at alarms, and decide, after a while."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import structlog
from city.cameras.v1 import alarm_pb2
from city_backbone.errors import Transient

from loadtests.city.calls import is_transient, why
from loadtests.city.cameras.desk import Desk
from loadtests.city.cameras.rates import (
    DECIDE_SECONDS,
    LOOK_SECONDS,
    MISSED_SHARE,
    NOTHING_SHARE,
)
from loadtests.city.cameras.stages import STAGES
from loadtests.city.errors import RefusedError
from loadtests.city.seeded import draws
from loadtests.city.tasks import tasks

if TYPE_CHECKING:
    from city.cameras.v1.alarm_pb2_grpc import AlarmServiceAsyncStub

_log = structlog.get_logger(__name__)

MAX_AT_ONCE = 100
_WATCH_SECONDS = 300.0
_AGAIN_SECONDS = 1.0
_STAGES = frozenset(stage.site_id for stage in STAGES)
_NOTHING = ("오탐: 그림자", "오탐: 차량 불빛", "주민 확인, 이상 없음", "오탐: 동물")
_SOMETHING = ("현장 확인 필요", "영상에서 확인됨", "신고와 일치")


@dataclass(frozen=True, slots=True)
class Decision:
    """Seconds until an operator looks, and from then until the alarm is decided."""

    look: float
    decide: float
    escalate: bool
    reason: str


def decide(seed: int, alarm_id: str) -> Decision | None:
    """What becomes of an alarm, a function of seed and id; None when nobody gets to it."""
    draw = draws(seed, "operator", alarm_id)
    if draw.random() < MISSED_SHARE:
        return None
    nothing = draw.random() < NOTHING_SHARE
    return Decision(
        look=draw.uniform(*LOOK_SECONDS),
        decide=draw.uniform(*DECIDE_SECONDS),
        escalate=not nothing,
        reason=draw.choice(_NOTHING if nothing else _SOMETHING),
    )


class Operators:
    """Answers alarms of every site but the stages', at most MAX_AT_ONCE at a time.

    `rest` waits seconds. `outcome` counts what was done; an alarm beyond the limit is left.
    """

    def __init__(
        self,
        alarms: "AlarmServiceAsyncStub",
        desk: Desk,
        seed: int,
        *,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._alarms = alarms
        self._desk = desk
        self._seed = seed
        self._rest = rest
        self._at_work = 0
        self._cursor = ""
        self.outcome: Counter[str] = Counter()

    async def run(self) -> None:
        """Work until cancelled, from now on. Raises RefusedError."""
        async with tasks() as group:
            while True:
                try:
                    await self._watch(group)
                except (grpc.aio.AioRpcError, Transient) as error:
                    self._look_into(error)
                # It ends with its deadline or with the service; the cursor knows where to go on.
                await self._rest(_AGAIN_SECONDS)

    def _look_into(self, error: grpc.aio.AioRpcError | Transient) -> None:
        if isinstance(error, grpc.aio.AioRpcError):
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return
            if not is_transient(error):
                details = str(error.details())
                raise RefusedError("cameras", "WatchAlarms", error.code(), details) from error
        _log.warning("cameras-away", method="WatchAlarms", **why(error))

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        """Take what comes until the stream ends or breaks."""
        request = alarm_pb2.WatchAlarmsRequest(cursor=self._cursor)
        async for answer in self._alarms.WatchAlarms(request, timeout=_WATCH_SECONDS):
            self._cursor = answer.cursor
            alarm = answer.alarm
            if alarm.status != alarm_pb2.ALARM_STATUS_RAISED or alarm.revision != 1:
                continue
            if alarm.site_id in _STAGES:
                continue
            if self._at_work >= MAX_AT_ONCE:
                self.outcome["left"] += 1
                continue
            self._at_work += 1
            group.create_task(self._answer(alarm.alarm_id))

    async def _answer(self, alarm_id: str) -> None:
        try:
            decision = decide(self._seed, alarm_id)
            if decision is None:
                self.outcome["missed"] += 1
                return
            await self._rest(decision.look)
            if not await self._desk.acknowledge(alarm_id):
                self.outcome["too_late"] += 1
                return
            self.outcome["acknowledged"] += 1
            await self._rest(decision.decide)
            if decision.escalate:
                done = await self._desk.escalate(alarm_id, decision.reason)
            else:
                done = await self._desk.dismiss(alarm_id, decision.reason)
            act = "escalated" if decision.escalate else "dismissed"
            self.outcome[act if done else "too_late"] += 1
        finally:
            self._at_work -= 1
