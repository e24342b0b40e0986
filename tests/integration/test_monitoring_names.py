"""What a running department shows at /metrics is what its sources were read to emit."""

import asyncio
import json
import os
import sys
from contextlib import suppress

import aiohttp
from city_backbone.testing import Mesh, eventually

from ..unit.monitoring_emitted import emitted, instruments

_PREFIXES = ("city_", "messaging_", "rpc_")


async def _metrics(url: str) -> str:
    with suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/readyz") as ready:
                if ready.status != 200:
                    return ""
            async with session.get(f"{url}/metrics") as answer:
                return await answer.text()
    return ""


async def _port(lines: asyncio.StreamReader) -> int:
    """Where it says that it serves HTTP."""
    async for line in lines:
        port = json.loads(line).get("http_port")
        if port is not None:
            return int(port)
    raise AssertionError("it ended before it served")


async def _shown(mesh: Mesh, department: str) -> set[str]:
    """Names of the metrics that its process shows when it is ready."""
    prefix = department.upper()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        department,
        env={
            **os.environ,
            **mesh.environment(department),
            f"{prefix}_GRPC__PORT": "0",
            f"{prefix}_HTTP__PORT": "0",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(60):
            port = await _port(process.stdout)
        text = await eventually(lambda: _metrics(f"http://127.0.0.1:{port}"), seconds=60)
    finally:
        process.terminate()
        await process.wait()
    return {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[:1] != "#"}


async def test_every_metric_of_a_running_department_is_known(mesh: Mesh) -> None:
    known = set(emitted(instruments()))
    for shown in await asyncio.gather(_shown(mesh, "emergency"), _shown(mesh, "sensors")):
        assert {"city_build_info", "city_outbox_oldest_age_seconds"} <= shown
        assert {name for name in shown if name.startswith(_PREFIXES)} <= known
