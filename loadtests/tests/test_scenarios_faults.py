"""Faults beyond stop and kill: what each does to its target, and that it is taken back."""

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import psutil
import pytest
from aiohttp import web
from city_backbone.testing import eventually

from loadtests.driver import resources
from loadtests.driver.engine import Now
from loadtests.driver.freshness import EFFECTS, Freshness
from loadtests.driver.recorder import Recorder
from loadtests.driver.result import EventSample, Fault
from loadtests.report.histograms import Interval
from loadtests.scenarios import scenario as scenarios
from loadtests.scenarios import upgrade
from loadtests.scenarios.fault import FaultError
from loadtests.scenarios.faults import Faults
from loadtests.scenarios.scenario import Chaos, PlannedFault
from loadtests.scenarios.worker import Workers

_ROOT = Path(__file__).parents[2]


def _fault(kind: str, target: str, seconds: float = 0.0, at: float = 0.0) -> PlannedFault:
    return PlannedFault.model_validate(
        {"kind": kind, "target": target, "seconds": seconds, "at": at}
    )


def _started(fault: PlannedFault, state: Path) -> asyncio.Task[None]:
    return asyncio.create_task(Faults([fault], state, {}).run(datetime.now(UTC)))


# stop


async def test_the_children_of_a_part_stand_still_with_it(tmp_path: Path) -> None:
    code = "import subprocess; subprocess.run(['sleep', '60'])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    parts = {"postgres": {"process": {"pid": process.pid}}}
    (tmp_path / "run.json").write_text(json.dumps({"parts": parts}))
    parent = psutil.Process(process.pid)
    try:

        async def has_child() -> bool:
            return bool(parent.children())

        await eventually(has_child)
        (child,) = parent.children()

        async def stopped() -> bool:
            return {parent.status(), child.status()} == {psutil.STATUS_STOPPED}

        async def goes_on() -> bool:
            return psutil.STATUS_STOPPED not in {parent.status(), child.status()}

        running = _started(_fault("stop", "postgres", 60), tmp_path)
        await eventually(stopped)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await eventually(goes_on)
    finally:
        for one in (*parent.children(), parent):
            one.kill()
        await process.wait()


# network


@asynccontextmanager
async def _room(state: Path, told: list[dict[str, Any]]) -> AsyncIterator[None]:
    async def control(request: web.Request) -> web.Response:
        told.append(await request.json())
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/control", control)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (state / "ports.json").write_text(json.dumps({"room.112": runner.addresses[0][1]}))
    try:
        yield
    finally:
        await runner.cleanup()


async def test_a_room_that_is_cut_off_comes_back_though_the_run_is_stopped(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []

    async def is_down() -> bool:
        return bool(told)

    async with _room(tmp_path, told):
        running = _started(_fault("network", "room-112", 60), tmp_path)
        await eventually(is_down)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert told == [{"mode": "down", "close": True}, {"mode": "up"}]


# start


def _department(folder: Path, code: str) -> Path:
    """A registration with a package of that name, which is run as a service is."""
    package = folder / "src" / "sundries"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text(code)
    (folder / "service.yaml").touch()
    return folder / "service.yaml"


async def test_a_second_worker_runs_for_its_time_with_a_name_and_a_port_of_its_own(
    tmp_path: Path,
) -> None:
    for folder in ("logs", "env"):
        (tmp_path / folder).mkdir()
    (tmp_path / "env" / "sundries.json").write_text('{"SUNDRIES_FURTHER": 5}')
    seen = tmp_path / "seen.json"
    environment = {
        "SUNDRIES_REGISTRATION_FILE": str(
            _department(
                tmp_path / "sundries",
                "import json, os, pathlib, time\n"
                f"path = pathlib.Path({str(seen)!r})\n"
                "path.with_suffix('.new').write_text(json.dumps(dict(os.environ)))\n"
                "path.with_suffix('.new').rename(path)\n"
                "time.sleep(60)\n",
            )
        ),
        "SUNDRIES_INSTANCE": "sundries-0",
        "SUNDRIES_HTTP__PORT": "1",
        "OTHERS_SECRET": "x",
    }
    faults = Faults([_fault("start", "sundries", 60)], tmp_path, environment)
    running = asyncio.create_task(faults.run(datetime.now(UTC)))

    async def there() -> bool:
        return seen.exists()

    await eventually(there)
    given = json.loads(seen.read_text())
    assert given["SUNDRIES_ROLE"] == "stream"
    assert given["SUNDRIES_INSTANCE"] == "sundries-1"
    assert given["SUNDRIES_FURTHER"] == "5"
    assert "OTHERS_SECRET" not in given
    assert faults.workers.metrics == {
        "sundries#1": f"http://127.0.0.1:{given['SUNDRIES_HTTP__PORT']}/metrics"
    }
    (pid,) = faults.workers.pids.values()
    assert resources.service_of("sundries#1") == "sundries"
    assert resources.service_of("sundries-stream") == "sundries"
    assert {one.process for one in resources.Processes(None, faults.workers.pids).sample()} == {
        "driver",
        "sundries#1",
    }
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not psutil.pid_exists(pid)
    assert not faults.workers.metrics


async def test_a_worker_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    file = _department(tmp_path / "sundries", "raise SystemExit(3)")
    workers = Workers(tmp_path, {"SUNDRIES_REGISTRATION_FILE": str(file)})
    with pytest.raises(FaultError, match="sundries#1: ended by itself with code 3"):
        async with workers.one_more("sundries") as process:
            await process.wait()
    assert not workers.pids


# register


def test_the_next_schema_and_this_one_read_each_other() -> None:
    events = _ROOT / "services/sensors/events"
    now = json.loads((events / "hourly_mean_computed.v1.avsc").read_text())
    event = json.loads((events / "examples/hourly_mean_computed.v1.json").read_text())
    old, new = fastavro.parse_schema(now), fastavro.parse_schema(upgrade.extended(now))

    def read(writer: Any, reader: Any) -> Any:
        """A department that writes knows nothing of the field."""
        body = io.BytesIO()
        fastavro.schemaless_writer(body, writer, event)
        body.seek(0)
        return fastavro.schemaless_reader(body, writer, reader)

    assert read(new, old) == read(old, old)
    assert read(old, new) == read(new, new) == {**read(old, old), upgrade.FIELD: "next"}


@pytest.mark.parametrize("fail", ["", "register", "restart"])
async def test_a_department_writes_the_next_schema_for_its_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: str
) -> None:
    own = tmp_path / "env" / "sensors.json"
    own.parent.mkdir()
    own.write_text('{"SENSORS_KEY": "k"}')
    calls: list[tuple[str, ...]] = []

    async def meshctl(*arguments: str) -> str:
        calls.append(arguments)
        if arguments[0] == fail:
            raise FaultError("refused")
        return ""

    monkeypatch.setattr(upgrade, "meshctl", meshctl)
    environment = {
        "SENSORS_REGISTRATION_FILE": str(_ROOT / "services/sensors/service.yaml"),
        "SENSORS_REGISTRY__URL": "http://registry",
    }
    topic = "sensors.reading-taken.v1"
    try:
        async with upgrade.upgraded(topic, tmp_path, environment):
            given = json.loads(own.read_text())
            assert given.pop("SENSORS_KEY") == "k"
            file = Path(given["SENSORS_REGISTRATION_FILE"])
            schema = json.loads((file.parent / "events/reading_taken.v1.avsc").read_text())
            assert schema["fields"][-1]["name"] == upgrade.FIELD
            assert calls[0] == ("register", str(file), "--registry", "http://registry")
            assert calls[1][:2] == ("restart", "sensors")
    except FaultError:
        assert fail
    assert json.loads(own.read_text()) == {"SENSORS_KEY": "k"}
    assert own.stat().st_mode & 0o077 == 0 or fail == "register"
    assert not (tmp_path / "upgrades" / topic).exists()
    assert [one[0] for one in calls if one[0] == "restart"] == (
        [] if fail == "register" else ["restart", "restart"]
    )


async def test_a_topic_that_its_department_does_not_write_is_named(tmp_path: Path) -> None:
    environment = {
        "SENSORS_REGISTRATION_FILE": str(_ROOT / "services/sensors/service.yaml"),
        "SENSORS_REGISTRY__URL": "http://registry",
    }
    with pytest.raises(FaultError, match=r"sensors\.nothing\.v1"):
        async with upgrade.upgraded("sensors.nothing.v1", tmp_path, environment):
            pass


def test_an_upgrade_that_nobody_wrote_is_told() -> None:
    now = datetime.now(UTC)
    made = [
        Fault(kind=kind, target=topic, began=now, ended=now)
        for kind, topic in (("register", "a"), ("register", "b"), ("register", "c"), ("kill", "d"))
    ]
    found = upgrade.unwritten(made, {"a": {1, 2}, "b": {1}})
    assert [words.partition(":")[0] for words in found] == ["register b", "register c"]


# chaos and stretching


def test_chaos_is_of_the_seed_and_spares_nobody() -> None:
    chaos = Chaos(
        first=20,
        every=30,
        calm=40,
        of=(_fault("kill", "kafka"), _fault("stop", "sensors", 5), _fault("kill", "cameras")),
    )
    drawn = {seed: chaos.planned(260, seed) for seed in range(20)}
    assert drawn[3] == chaos.planned(260, 3)
    assert len({tuple(one.target for one in faults) for faults in drawn.values()}) > 1
    for faults in drawn.values():
        assert [one.at for one in faults] == [20, 50, 80, 110, 140, 170, 200]
        targets = [one.target for one in faults]
        assert set(targets[:3]) == set(targets[3:6]) == {"kafka", "sensors", "cameras"}


def test_a_stretched_scenario_is_longer_and_its_faults_are_later() -> None:
    outage = scenarios.load("department-outage")
    longer = outage.stretched(2)
    assert longer.seconds == 2 * outage.seconds
    assert [one.at for one in longer.planned(1)] == [2 * one.at for one in outage.planned(1)]
    assert [one.seconds for one in longer.faults] == [one.seconds for one in outage.faults]
    chaos = scenarios.load("chaos")
    assert len(chaos.stretched(3).planned(1)) > len(chaos.planned(1)) >= 3


# what is seen meanwhile

_METRICS = """
process_start_time_seconds 1.79562956774e+09
city_stream_dead_letters_total{messaging_destination_name="a.v1",otel_scope_name="s"} 2.0
city_stream_dead_letters_total{messaging_destination_name="b.v1",otel_scope_name="s"} 0.0
messaging_client_consumed_messages_total{messaging_destination_name="a.v1",outcome="handled"} 40.0
messaging_client_consumed_messages_total{messaging_destination_name="a.v1",outcome="dead"} 2.0
messaging_client_consumed_messages_total{messaging_destination_name="a.v1",outcome="parked"} 9.0
"""


def test_what_a_service_counts_is_read_from_its_metrics() -> None:
    base: dict[str, Any] = {"at": 5.0, "service": "s", "began": 1795629567.74}
    assert resources.events("s", _METRICS, 5.0) == [
        EventSample(topic="a.v1", consumed=42, dead=2, **base),
        EventSample(topic="b.v1", consumed=0, dead=0, **base),
    ]
    assert resources.events("s", "", 5.0) == []


def test_an_effect_counts_in_the_second_in_which_it_was_intended() -> None:
    now = iter([50_000_000, 60_500_000, 61_000_000, 62_250_000])

    class Clock(Now):
        def __call__(self) -> int:
            return next(now)

    (bulk,) = [one for one in EFFECTS if one.priority == "bulk"]
    found = Freshness(Clock())
    for intended in (60_000_000, 60_900_000, 60_250_000):
        found.event(bulk, intended, {})
    written: list[tuple[int, str, int, float]] = []

    def write(one: Interval) -> None:
        longest = one.histogram.get_max_value()
        written.append((one.second, one.tag, one.histogram.get_total_count(), longest))

    found.write(Recorder(write))
    ((second, tag, count, longest),) = written
    assert (second, tag, count) == (60, f"{bulk.topic}|bulk", 3)
    assert longest == pytest.approx(2_000_000, rel=0.001)
