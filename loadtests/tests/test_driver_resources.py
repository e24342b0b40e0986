"""What is sampled of a stack while a run goes on, and that it stands in nobody's way."""

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from aiohttp import web
from city_backbone.testing import eventually

from loadtests.driver import resources
from loadtests.driver.resources import Processes
from loadtests.driver.result import LagSample, ResourceSample, read_samples

_TOLD = 'city_stream_time_lag_seconds{messaging_destination_name="sensors.reading-taken.v1"} 1\n'


@contextmanager
def _with_a_child() -> Iterator["subprocess.Popen[bytes]"]:
    """A shell that waits for another process."""
    shell = subprocess.Popen(["bash", "-c", "sleep 60 & wait"])
    try:
        yield shell
    finally:
        for one in psutil.Process(shell.pid).children():
            one.kill()
        shell.kill()
        shell.wait()


async def test_a_part_is_counted_with_its_children_and_one_that_has_ended_not_at_all(
    tmp_path: Path,
) -> None:
    with _with_a_child() as shell:
        parts = {"part": {"process": {"pid": shell.pid}}}
        (tmp_path / "run.json").write_text(json.dumps({"parts": parts}))
        processes = Processes(tmp_path, {})

        async def both() -> bool:
            return _threads(processes).get("part") == 2

        await eventually(both)
    assert set(_threads(processes)) == {"driver", "others"}


def _threads(processes: Processes) -> dict[str, int]:
    return {one.process: one.threads for one in processes.sample()}


async def test_services_are_asked_for_their_metrics_one_after_the_other(tmp_path: Path) -> None:
    names = ("sensors", "cameras", "emergency", "parking")
    answering, most = 0, 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal answering, most
        answering += 1
        most = max(most, answering)
        await asyncio.sleep(0.01)  # a service that is busy meanwhile
        answering -= 1
        return web.Response(text=_TOLD)

    application = web.Application()
    application.add_routes([web.get("/{name}", answer)])
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        metrics = {name: f"http://127.0.0.1:{port}/{name}" for name in names}

        async def told() -> bool:
            return {one.service for one in read_samples(LagSample, tmp_path)} == set(names)

        async with resources.sampling(tmp_path, None, metrics):
            await eventually(told)
    finally:
        await runner.cleanup()
    assert most == 1


async def test_what_others_use_is_what_no_known_process_does(tmp_path: Path) -> None:
    spins = (
        "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\n"
        "while time.process_time() < 1.25: pass\npathlib.Path('done').touch(); time.sleep(60)"
    )
    # Its parent ends, so that it is nobody's of this process, which counts its children.
    alone = f"{shlex.join([sys.executable, '-c', spins])} >/dev/null & echo $!"
    started = await asyncio.create_subprocess_shell(
        alone, stdout=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    pid = int((await started.communicate())[0])

    async def done() -> bool:
        return (tmp_path / "done").exists()

    try:
        unaware = Processes(tmp_path, {})
        aware = Processes(tmp_path, {"spinning": pid})
        before = unaware.sample(), aware.sample()
        (tmp_path / "go").touch()
        await eventually(done)
        after = unaware.sample(), aware.sample()
    finally:
        os.kill(pid, signal.SIGKILL)

    def used(samples: list[ResourceSample], name: str) -> float:
        (found,) = [one.cpu_seconds for one in samples if one.process == name]
        return found

    spun = used(after[1], "spinning") - used(before[1], "spinning")
    assert spun > 0.2
    told = [used(after[one], "others") - used(before[one], "others") for one in (0, 1)]
    assert told[0] - told[1] == pytest.approx(spun, abs=0.25)
    assert "others" not in {one.process for one in Processes(None, {}).sample()}
