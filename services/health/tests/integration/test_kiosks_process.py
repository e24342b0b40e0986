"""The department as a process: killed in the midst of sessions, and asked to stop."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import grpc.aio
import pytest
import pytest_asyncio
from city.health.v1.kiosk_pb2_grpc import KioskServiceStub
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from city_backbone.testing import Mesh, eventually
from health.measuring.measurement import Code, Measurement

from .kiosks_world import Enrolled, Line, World, begin, end, measured, opened, reading

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORKER = Path(__file__).with_name("kiosks_worker.py")
SESSIONS = 12
MEASUREMENTS = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mesh: Mesh) -> AsyncIterator[World]:
    """The same department in this process, to enrol and to look; it is told nothing else."""
    async with opened(mesh) as world:
        yield world


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def environment(mesh: Mesh, port: int) -> Mapping[str, str]:
    return {
        **os.environ,
        **mesh.environment("health"),
        "HEALTH_GRPC__HOST": "127.0.0.1",
        "HEALTH_GRPC__PORT": str(port),
        "HEALTH_HTTP__PORT": "0",
    }


@pytest_asyncio.fixture(loop_scope="module")
async def channel(mesh: Mesh, port: int) -> AsyncIterator[grpc.aio.Channel]:
    operator = mesh.environment("operator")
    files = {
        f"{name}_file": Path(operator[f"OPERATOR_TLS__{name.upper()}_FILE"])
        for name in ("cert", "key", "ca")
    }
    channel = open_channel(f"127.0.0.1:{port}", TlsSettings(**files), server_name="health")
    yield channel
    await channel.close(None)


@asynccontextmanager
async def process(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        str(WORKER),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


@dataclass
class Kiosk:
    """Delivers one session, through whatever happens to the service."""

    channel: grpc.aio.Channel
    kiosk_id: str
    person: Enrolled
    taken: list[Measurement]
    session_id: UUID = field(default_factory=uuid4)
    acknowledged: int = 0
    assessed: list[int] = field(default_factory=list)
    breaks: int = 0

    async def deliver(self) -> None:
        while True:
            try:
                await self._stream()
                return
            except grpc.aio.AioRpcError as error:
                broken = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
                # What gRPC says when the stream breaks under a message that is being sent.
                sending = error.details() == "Internal error from Core"
                assert error.code() in broken or sending  # noqa: PT017
                self.breaks += 1
            await self.channel.channel_ready()

    async def _stream(self) -> None:
        line = Line(KioskServiceStub(self.channel))
        answer = await line.say(begin(self.session_id, self.kiosk_id, self.person.token))
        assert answer.stored_sequence >= self.acknowledged
        for sequence in range(answer.stored_sequence + 1, MEASUREMENTS + 1):
            answer = await line.say(measured(sequence, self.taken[sequence - 1]))
            assert answer.stored_sequence == sequence
            self.acknowledged = sequence
            self.assessed.append(sequence)
        assert (await line.say(end(MEASUREMENTS))).ended


def readings() -> list[Measurement]:
    """The thirteenth is acute."""
    values = [70 + number if number != 12 else 140 for number in range(MEASUREMENTS)]
    return [reading(Code.HEART_RATE, value) for value in values]


@pytest.mark.timeout(300)
async def test_killed_in_the_midst_of_sessions_all_it_answered_is_there_once(
    world: World, environment: Mapping[str, str], channel: grpc.aio.Channel
) -> None:
    kiosk_id = await world.kiosk()
    kiosks = [Kiosk(channel, kiosk_id, await world.enrol(), readings()) for _ in range(SESSIONS)]
    delivering: list[asyncio.Task[None]] = []

    def acknowledged() -> int:
        return sum(kiosk.acknowledged for kiosk in kiosks)

    for killed_after in (50, 140):

        async def so_many(count: int = killed_after) -> bool:
            return acknowledged() >= count

        async with process(environment) as running:
            await channel.channel_ready()
            delivering = delivering or [asyncio.create_task(kiosk.deliver()) for kiosk in kiosks]
            await eventually(so_many, seconds=60, interval=0.002)
            running.send_signal(signal.SIGKILL)
            assert await running.wait() == -signal.SIGKILL
        for kiosk in kiosks:
            assert len(await world.kept(kiosk.session_id, kiosk.person.box)) >= kiosk.acknowledged
    async with process(environment) as running:
        await asyncio.gather(*delivering)
        await ends_well(running, Line(KioskServiceStub(channel)), kiosks[0])
    assert all(kiosk.breaks for kiosk in kiosks)
    for kiosk in kiosks:
        kept = await world.kept(kiosk.session_id, kiosk.person.box)
        assert kept == list(enumerate(kiosk.taken, 1))
        assert await world.told(kiosk.person) == kiosk.taken
        assert kiosk.assessed == sorted(set(kiosk.assessed))
        [case] = await world.cases(kiosk.session_id)
        assert len({event["ce_id"] for event in case["events"]}) == 1


async def ends_well(running: asyncio.subprocess.Process, line: Line, kiosk: Kiosk) -> None:
    """Asked to stop, it ends a stream on which nothing comes, and itself."""
    answer = await line.say(begin(kiosk.session_id, kiosk.kiosk_id, kiosk.person.token))
    assert answer.ended
    running.terminate()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await line.hear()
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    async with asyncio.timeout(15):
        assert await running.wait() == 0
