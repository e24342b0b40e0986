"""What rooms and operators ask of `emergency`. Incidents come by `cameras.Arson` and
`health.Acute`."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import grpc.aio
from city.emergency.v1 import emergency_pb2
from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceStub

from loadtests.driver.operation import Operation, Outcome, World
from loadtests.driver.operations.calling import connected, deadline, refused

if TYPE_CHECKING:
    from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceAsyncStub

LIST = "emergency.ListIncidents"


def offers(name: str) -> bool:
    return name == LIST


async def prepare(world: World, names: Collection[str]) -> None:
    """Nothing."""


@asynccontextmanager
async def open(world: World, names: Collection[str]) -> AsyncIterator[Mapping[str, Operation]]:
    async with connected(world, "emergency") as channel:
        yield {LIST: Incidents(channel, world)}


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
