"""The room as a process."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

COMMAND = (sys.executable, "-m", "loadtests.rooms")


@pytest.mark.asyncio
async def test_it_says_what_it_is_and_where_and_stops_on_sigterm(tmp_path: Path) -> None:
    record = tmp_path / "room.jsonl"
    options = ("--port", "0", "--kind", "119", "--record", str(record), "--api-key", "k")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *options, "--session-seconds", "60", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            ready = json.loads(await process.stdout.readline())
            assert (
                ready["stand_in"] == "a stand-in for a 119 room outside the city, not a real room"
            )
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"http://127.0.0.1:{ready['port']}/control/counts") as response,
            ):
                assert (await response.json())["accepted"] == 0
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--kind", "911"), "--kind (ROOM_KIND): "),
        (("--session-seconds", "0"), "--session-seconds (ROOM_SESSION_SECONDS): "),
        (("--port", "70000"), "--port (ROOM_PORT): "),
    ],
)
async def test_a_wrong_setting_stops_the_start_by_name(
    tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    given = ("--kind", "112", "--record", str(tmp_path / "r"), "--api-key", "secret-canary")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *given, *options, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode().startswith(named)
    assert "canary" not in errors.decode()
