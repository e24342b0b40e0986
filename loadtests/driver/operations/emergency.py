"""What rooms and operators ask of `emergency`, and what people tell who call 112 and 119. Other
incidents come by `cameras.Arson` and `health.Acute`.

Settings, ASSUMPTION: `call_chars` (mean length of what a caller says, 120).
"""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import grpc.aio
from city.emergency.v1 import emergency_pb2
from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceStub

from loadtests.city.cameras.wire import idempotency_key
from loadtests.city.seeded import draws
from loadtests.driver.operation import Operation, Outcome, World
from loadtests.driver.operations.calling import (
    connected,
    deadline,
    malformed_share,
    refused,
    text,
    turned_down,
)

if TYPE_CHECKING:
    from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceAsyncStub

LIST = "emergency.ListIncidents"
REPORT = "emergency.ReportIncident"
_LONGEST = 4_000
_WORDS = (
    "역 앞에서",
    "사람이 쓰러져 있어요",
    "연기가 나요",
    "숨을 안 쉬는 것 같아요",
    "싸우고 있어요",
    "빨리 와 주세요",
    "차가 부딪혔어요",
    "아파트 3층입니다",
    "아이가 없어졌어요",
    "어디인지 잘 모르겠어요",
)
_KINDS = ("report.fire", "report.fall", "report.fight", "report.traffic")


def offers(name: str) -> bool:
    return name in (LIST, REPORT)


async def prepare(world: World, names: Collection[str]) -> None:
    """Nothing."""


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    async with AsyncExitStack() as stack:
        made: dict[str, Operation] = {}
        if LIST in names:
            own = await stack.enter_async_context(connected(world, "emergency"))
            made[LIST] = Incidents(own, world)
        if REPORT in names:
            # Who takes the call types it in.
            desk = await stack.enter_async_context(connected(world, "emergency", "operator"))
            made[REPORT] = Report(desk, world)
        yield made


class Report:
    """A call to 112 or 119, typed in as it is told: mostly some words, now and then a long story. A
    malformed one says no grade, and must be refused by field."""

    name = REPORT

    def __init__(self, channel: grpc.aio.Channel, world: World) -> None:
        self._stub: EmergencyServiceAsyncStub = EmergencyServiceStub(channel)
        self._seed = world.seed
        self._mean = world.number("call_chars", 120)
        self._malformed = malformed_share(world)
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        draw = draws(self._seed, self.name, number)
        # A run of the same seed is another day: its calls are others.
        key = idempotency_key(self.name, number, intended.isoformat())
        request = emergency_pb2.ReportIncidentRequest(
            idempotency_key=key,
            kind=draw.choice(_KINDS),
            grade=emergency_pb2.INCIDENT_GRADE_URGENT,
            title="부하 시험 신고",
            description=text(draw, _WORDS, self._mean, _LONGEST),
            place="부하 시험",
        )
        bad = draw.random() < self._malformed
        if bad:
            request.grade = emergency_pb2.INCIDENT_GRADE_UNSPECIFIED
        try:
            answer = await self._stub.ReportIncident(request, timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            return turned_down(error, key) if bad else refused(error, key)
        if bad:
            return Outcome("failed", "taken though malformed", key=key)
        found = answer.incident.incident_id
        return Outcome("ok", "", (f"emergency.incident-changed.v1/{found}#1",), found)


class Incidents:
    """The newest ones, a page as a screen shows it."""

    name = LIST

    def __init__(self, channel: grpc.aio.Channel, world: World) -> None:
        self._stub: EmergencyServiceAsyncStub = EmergencyServiceStub(channel)
        self._deadline = deadline(world)

    async def __call__(self, intended: datetime, number: int) -> Outcome:
        request = emergency_pb2.ListIncidentsRequest(page_size=20)
        try:
            await self._stub.ListIncidents(request, timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            return refused(error)
        return Outcome("ok")
