"""A scenario in a cluster: what is refused, what is seen, the verdict, and how it comes out."""

import asyncio
import base64
import io
import os
import signal
import socket
import sys
import tarfile
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from loadtests.checker.tables import DEPARTMENTS
from loadtests.driver import freshness
from loadtests.driver.coordinator import ShardError
from loadtests.driver.engine import Now
from loadtests.driver.freshness import Freshness
from loadtests.driver.operations.calling import SettingError
from loadtests.driver.plan import Plan
from loadtests.driver.result import EXIT_CODES, Check, Result, Run
from loadtests.scenarios import archive, cluster, conduct
from loadtests.scenarios import scenario as scenarios
from loadtests.scenarios.cluster import ClusterSettings, following, reduce, refusals
from loadtests.scenarios.scenario import Scenario

ACCESS = {
    "OPERATOR_KAFKA__PASSWORD": "one",
    "HEALTH_KAFKA__PASSWORD": "other",
    **{f"{one.upper()}_DATABASE__DSN": "postgresql://there" for one in DEPARTMENTS},
}


def _settings(**changes: Any) -> ClusterSettings:
    given = {"scenario": "smoke", "shards": 2, "metrics": {}, "rooms_unwatched": True, **changes}
    return ClusterSettings(**given)


def _refused(scenario: Scenario, **changes: Any) -> list[str]:
    return [one.partition(":")[0] for one in refusals(scenario, _settings(**changes), ACCESS)]


def test_what_only_a_machines_own_stack_can_show_is_refused_by_field() -> None:
    found = {name: _refused(scenarios.load(name)) for name in scenarios.names()}
    assert {name: fields for name, fields in found.items() if fields} == {
        "backlog-drain": ["faults", *found["backlog-drain"][1:]],
        "baseline-day": ["phases.day.rates.kafka"],
        "chaos": ["chaos"],
        "department-outage": ["faults"],
        "disaster-surge": ["gates.freshness_ratio"] * 2,
        "saturation": ["search"],
        "scale-out": ["faults"],
        "schema-upgrade-under-load": ["faults"],
        "soak": ["gates.slopes"],
    }


def test_a_gate_on_a_room_needs_that_room() -> None:
    surge, rooms = scenarios.load("disaster-surge"), {"room-112": "http://a"}
    assert _refused(surge, rooms=rooms) == ["gates.freshness_ratio"]
    assert _refused(surge, rooms=rooms | {"room-119": "http://b"}) == []


def test_rooms_are_watched_or_said_not_to_be() -> None:
    assert _refused(scenarios.load("smoke"), rooms_unwatched=False) == ["LOADTESTS_ROOMS"]
    rooms = {"room-112": "http://there"}
    assert _refused(scenarios.load("smoke"), rooms_unwatched=False, rooms=rooms) == []


@pytest.mark.parametrize("name", ACCESS)
def test_a_run_that_the_checker_could_not_judge_is_refused_before_it_begins(name: str) -> None:
    environment = {key: value for key, value in ACCESS.items() if key != name}
    found = list(refusals(scenarios.load("smoke"), _settings(), environment))
    assert found == [f"{name}: missing; the checker reads by it"]


def test_a_refusal_is_told_and_ends_with_the_code_of_invalid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in {
        **ACCESS,
        "LOADTESTS_SCENARIO": "chaos",
        "LOADTESTS_SHARDS": "2",
        "LOADTESTS_METRICS": "{}",
    }.items():
        monkeypatch.setenv(name, value)
    assert cluster.main(["--out", str(tmp_path)]) == EXIT_CODES["INVALID"]
    assert "not run: chaos: the pods are their departments'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("field", "value"),
    [("LISTEN", "7000"), ("SHARDS", "0"), ("ROOMS", "all"), ("METRICS", "there")],
)
def test_a_wrong_setting_is_named(
    field: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = {"SCENARIO": "smoke", "SHARDS": "2", "METRICS": "{}", "ROOMS": "{}"}
    for name, one in {**right, field: value}.items():
        monkeypatch.setenv(f"LOADTESTS_{name}", one)
    assert cluster.main([]) == EXIT_CODES["INVALID"]
    told = capsys.readouterr().err
    assert told.startswith("not run: ")
    assert field.lower() in told.lower()


def test_an_error_of_its_own_is_no_failure_of_the_city(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def broken(*given: object) -> Result:
        raise RuntimeError("of the load test")

    monkeypatch.setattr(cluster, "reduce", broken)
    arguments = ["--scenario", "smoke", "--shards", "2", "--metrics", "{}"]
    assert cluster.main([*arguments, "--out", str(tmp_path)]) == EXIT_CODES["INVALID"]


def test_a_pod_that_is_deleted_ends_what_it_started_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[bool] = []

    async def endless(*given: object) -> Result:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        finally:
            ended.append(True)
        raise AssertionError

    monkeypatch.setattr(cluster, "reduce", endless)
    arguments = ["--scenario", "smoke", "--shards", "2", "--metrics", "{}"]
    assert cluster.main([*arguments, "--out", str(tmp_path)]) == EXIT_CODES["INVALID"]
    assert ended
    assert "not run: stopped before it was judged" in capsys.readouterr().err


async def test_each_address_of_a_host_is_a_process_as_they_come_and_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    addresses: dict[str, list[str]] = {"cameras": ["10.0.0.1", "10.0.0.2"], "parking": ["fd00::1"]}
    asked = asyncio.Queue[str]()

    async def resolved(host: str, port: int, **_: Any) -> list[Any]:
        asked.put_nowait(host)
        return [(None, None, 0, "", (one, port)) for one in addresses[host]]

    async def again() -> None:
        """Until each was asked for once more, and the answer taken."""
        while not asked.empty():
            asked.get_nowait()
        for _ in range(2 * len(addresses) + 1):
            await asked.get()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    monkeypatch.setattr(cluster, "_AGAIN_SECONDS", 0)
    urls = {name: f"http://{name}:1/metrics" for name in addresses}
    async with asyncio.timeout(30), following(urls) as found:
        assert found == {
            "cameras#10.0.0.1": "http://10.0.0.1:1/metrics",
            "cameras#10.0.0.2": "http://10.0.0.2:1/metrics",
            "parking#fd00::1": "http://[fd00::1]:1/metrics",
        }
        addresses["cameras"] = ["10.0.0.2", "10.0.0.3"]
        await again()
        assert [*found] == ["cameras#10.0.0.2", "parking#fd00::1", "cameras#10.0.0.3"]
        addresses["cameras"] = []
        await again()
        assert list(found) == ["parking#fd00::1"]


async def test_a_host_without_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(host: str, port: int, **_: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(SettingError, match="LOADTESTS_METRICS: cameras: http://nowhere:1"):
        async with following({"cameras": "http://nowhere:1"}):
            pass


_FILES = ("report.html", "result.json", "junit.xml", "check.json", "run.json", "merged.hlog")


def _unpacked(lines: list[str]) -> dict[str, bytes]:
    """As `sed -n 's/^report //p' | base64 -d | tar xz` does it."""
    text = "".join(line.removeprefix("report ") for line in lines if line.startswith("report "))
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(text, validate=True))) as found:
        members = {one.name: found.extractfile(one) for one in found}
        return {name: file.read() for name, file in members.items() if file is not None}


def test_a_log_has_the_runs_folder(tmp_path: Path) -> None:
    folder = tmp_path / "smoke-1"
    folder.mkdir()
    written = {f"smoke-1/{name}": os.urandom(5_000) for name in _FILES}
    for name, content in written.items():
        (tmp_path / name).write_bytes(content)
    found = list(archive.lines(folder))
    assert _unpacked(["something else", *found]) == written
    # Longer ones are cut on their way.
    assert max(map(len, found)) < 8_192


def test_what_is_too_large_for_a_log_is_left_out_and_said(tmp_path: Path) -> None:
    for name in _FILES:
        (tmp_path / name).write_bytes(os.urandom(20_000))
    (tmp_path / "merged.hlog").write_bytes(os.urandom(200_000))
    *packed, last = archive.lines(tmp_path, 200_000)
    assert {Path(name).name for name in _unpacked(packed)} == set(_FILES) - {"merged.hlog"}
    assert last == "too large for the log: merged.hlog"


SCENARIO = """
about: quick
search: {{phase: only}}
phases:
  - name: only
    seconds: 1
    rates: {{"{operation}": {{rate: 40}}}}
settings: {{prepared: "{prepared}"}}
validity: {{send_lag_p99_ms: 60000}}
"""


async def _reduced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str = "test.quick"
) -> tuple[Result, list[int | None], Mapping[str, Any]]:
    """A run of two shards, each a process as an Indexed Job starts it, against no city: their exit
    codes, and what the check was asked."""
    asked: dict[str, Any] = {}

    def watching(*_: object) -> AbstractAsyncContextManager[Freshness]:
        return nullcontext(Freshness(Now()))

    async def settled(*given: object) -> Check:
        asked["check"] = given
        return Check(complete=True)

    def planned(*given: Any) -> Plan:
        plan = conduct.planned(*given)
        return plan.model_copy(update={"modules": ("loadtests.tests.driver_operations",)})

    monkeypatch.setattr(freshness, "watching", watching)
    monkeypatch.setattr(conduct, "settled", settled)
    monkeypatch.setattr(cluster, "planned", planned)
    file = tmp_path / "own.yaml"
    file.write_text(SCENARIO.format(operation=operation, prepared=tmp_path / "prepared"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shards = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtests.driver.shard"),
            *("--coordinator", f"127.0.0.1:{port}", "--folder", str(tmp_path / "pod")),
            env={**os.environ, "JOB_COMPLETION_INDEX": str(shard)},
        )
        for shard in range(2)
    ]
    async with asyncio.timeout(120):
        result = await reduce(
            _settings(listen=f"127.0.0.1:{port}"),
            scenarios.load(str(file)),
            ACCESS,
            tmp_path / "run",
            lambda now: None,
        )
        return result, [await shard.wait() for shard in shards], asked


async def test_the_reducer_merges_what_all_shards_did_and_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, codes, asked = await _reduced(tmp_path, monkeypatch)
    assert (result.verdict, result.reasons, codes) == ("PASS", (), [0, 0])
    assert [(one.name, one.ok) for one in result.figures.operations] == [("test.quick", 40)]
    assert result.remarks == (
        "No room was watched: effects are judged up to topics.",
        "No knee was searched: the rates are the scenario's own.",
    )
    folder, environment, alone, _, rooms = asked["check"]
    assert (folder, environment, alone, rooms) == (tmp_path / "run", ACCESS, False, {})
    assert {path.name for path in (tmp_path / "run").iterdir()} >= set(_FILES)


async def test_a_lost_shard_makes_the_run_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, codes, _ = await _reduced(tmp_path, monkeypatch, "test.deadly")
    assert result.verdict == "INVALID"
    assert result.exit_code == EXIT_CODES["INVALID"]
    assert any(reason.startswith("shard ") for reason in result.reasons)
    assert -9 in codes


@pytest.mark.parametrize("begun", [True, False])
async def test_shards_that_say_nothing_any_more_are_not_waited_for(
    begun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(plan: Plan, folder: Path, *_: object, **__: object) -> None:
        if begun:
            (folder / Run.FILE).touch()
        await asyncio.Event().wait()

    monkeypatch.setattr(cluster, "run", silent)
    monkeypatch.setattr(cluster, "most_seconds", lambda plan: 0.01)
    plan = conduct.planned(scenarios.load("smoke"), 1, 2, "")
    lost = ShardError if begun else TimeoutError
    words = "the shards had not ended" if begun else "not all of 2 shards had come"
    async with asyncio.timeout(30):
        with pytest.raises(lost, match=words):
            await cluster._drive(plan, tmp_path, {}, "127.0.0.1:0", lambda now: None)


def test_a_run_that_ends_in_time_is_given_all_of_it() -> None:
    plan = conduct.planned(scenarios.load("smoke"), 1, 2, "")
    assert cluster.most_seconds(plan) > 2 * plan.prepare_seconds + 30 + plan.drain_seconds
