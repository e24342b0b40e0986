"""The department as two processes: who withdraws in one is forgotten in the other at once."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from city.health.v1.person_pb2_grpc import PersonServiceStub
from city_backbone.errors import PermissionDenied
from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from city_backbone.testing import Mesh
from health.measuring.measurement import Code

from .people_forgotten import HEART_RATE
from .people_world import SLOW, World, opened, policy, reading, refusal


@asynccontextmanager
async def taking_calls(mesh: Mesh, folder: Path, world: World) -> AsyncIterator[World]:
    """The same world, asked through another process, which only takes calls."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "health"),
        env={
            **os.environ,
            **mesh.environment("health"),
            **SLOW,
            **policy(mesh, folder),
            "HEALTH_ROLE": "rpc",
            "HEALTH_INSTANCE": "health-rpc-0",
            "HEALTH_GRPC__PORT": "0",
            "HEALTH_GRPC__HOST": "127.0.0.1",
            "HEALTH_HTTP__PORT": "0",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        port = 0
        async with asyncio.timeout(60):
            while not port:
                port = json.loads(await process.stdout.readline()).get("grpc_port", 0)
        operator = mesh.environment("operator")
        files = {
            f"{name}_file": Path(operator[f"OPERATOR_TLS__{name.upper()}_FILE"])
            for name in ("cert", "key", "ca")
        }
        tls = TlsSettings(**files)
        async with open_channel(f"127.0.0.1:{port}", tls, server_name="health") as channel:
            yield replace(world, stub=PersonServiceStub(channel))
    finally:
        process.kill()
        await process.wait()


async def test_a_withdrawal_holds_in_every_process_at_once(mesh: Mesh, tmp_path: Path) -> None:
    async with opened(mesh, tmp_path) as here, taking_calls(mesh, tmp_path, here) as there:
        for withdrawn_in, read_in in ((here, there), (there, here)):
            who = await withdrawn_in.enrol()
            await here.measure(who, reading(Code.HEART_RATE, 71))
            shown = await read_in.trend(who.token, HEART_RATE)
            assert shown == await withdrawn_in.trend(who.token, HEART_RATE), "both can read it"
            certificate = await withdrawn_in.withdraw(who)
            told = await refusal(read_in.trend(who.token, HEART_RATE))
            assert told == "PERMISSION_DENIED:CONSENT_WITHDRAWN"
            assert await read_in.withdraw(who) == certificate
            with pytest.raises(PermissionDenied):
                await here.measure(who)
            assert await here.keyring.load(who.person_id) is None
