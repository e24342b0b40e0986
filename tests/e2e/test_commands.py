"""The README's commands as a new user runs them, on free ports and in a state of their own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from city_backbone.testing import eventually

ROOT = Path(__file__).parent.parent.parent
SEOUL = ROOT / "loadtests/data/seoul-air-hourly-2018-2021.csv"
MAKE = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}


def spring_of_2021(folder: Path) -> Path:
    """The header and two months with two dust warnings."""
    lines = SEOUL.read_text(encoding="utf-8").splitlines(keepends=True)
    file = folder / "spring.csv"
    months = ("2021-03", "2021-05")
    file.write_text(
        lines[0] + "".join(line for line in lines if line.startswith(months)), encoding="utf-8"
    )
    return file


@pytest.mark.timeout(480)
def test_demo_loses_and_doubles_nothing_though_all_is_killed_once(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "demo", "FAULTS=1", f"FILE={spring_of_2021(tmp_path)}"],
        cwd=ROOT,
        env={**MAKE, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for fault in ("SIGKILL sensors", "SIGKILL emergency", "broker restarted", "room down"):
        assert fault in done.stdout
    summary = json.loads(done.stdout.splitlines()[-1])
    del summary["seconds"], summary["repeats"]
    assert summary == {
        "readings": 1488,
        "hourly_means": 1488,
        "alerts": {
            "PM10": {"advisory": 3, "warning": 2},
            "PM2.5": {"advisory": 5, "warning": 0},
            "O3": {"advisory": 0, "warning": 0},
        },
        "incidents": 9,
        "delivered": 21,
        "lost": 0,
        "duplicates": 0,
        "out_of_order": 0,
    }


@pytest.mark.timeout(480)
def test_each_scene_ends_as_it_must_though_all_is_killed_once(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "demo", "SCENE=all", "FAULTS=1"],
        cwd=ROOT,
        env={**MAKE, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for fault in ("SIGKILL cameras", "SIGKILL emergency", "broker restarted", "112 room down"):
        assert fault in done.stdout
    summary = json.loads(done.stdout.splitlines()[-1])
    del summary["seconds"], summary["detections"]
    assert summary == {
        "scenes": 8,
        "alarms": 8,
        "escalations": 7,
        "incidents": 6,
        "dispatches": {"112": 4, "119": 4},
        "lost": 0,
        "duplicates": 0,
    }


@pytest.mark.timeout(300)
def test_each_parking_scene_ends_as_it_must_though_parking_is_killed_twice(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "demo", "SCENE=parking", "FAULTS=1"],
        cwd=ROOT,
        env={**MAKE, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("fault: SIGKILL parking") == 2
    assert "fault: broker restarted" in done.stdout
    summary = json.loads(done.stdout.splitlines()[-1])
    del summary["seconds"]
    assert summary == {
        "scenes": 9,
        "bookings": 33,
        "double_bookings": 0,
        "refusals": {
            "BAY_OCCUPIED": 1,
            "BAY_TAKEN": 22,
            "CONTRACT_ONLY": 1,
            "HOLD_EXPIRED": 2,
            "INVALID_ARGUMENT": 3,
            "LIFE_CYCLE": 1,
            "NOT_OFFERED": 1,
            "NOT_THE_OWNER": 1,
        },
        "settled": 11,
        "refunded": 2,
        "expired": 2,
        "released": 3,
        "disputes": 4,
        "ledger_won": 0,
        "shares_won": {"owner": 9358, "operator": 5606, "district": 4635},
        "lost": 0,
        "duplicates": 0,
    }


@pytest.mark.timeout(300)
def test_each_health_scene_ends_as_it_must_though_all_is_killed_once(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "demo", "SCENE=health", "FAULTS=1"],
        cwd=ROOT,
        env={**MAKE, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("fault: SIGKILL health") == 2
    assert done.stdout.count("fault: SIGKILL emergency") == 1
    assert "fault: broker restarted" in done.stdout
    summary = json.loads(done.stdout.splitlines()[-1])
    del summary["seconds"]
    assert summary == {
        "scenes": 9,
        "sessions": 9,
        "measurements": 31,
        "acute": 2,
        "incidents": 2,
        "told_119": 2,
        "follow_ups": {"open": 14, "told": 1},
        "fhir": {"201": 4, "401": 1, "403": 1, "422": 2},
        "withdrawn": 1,
        "tombstones": 6,
        "readable_after": 0,
        "lost": 0,
        "duplicates": 0,
    }


async def read_as_an_integrator(environment: dict[str, str]) -> None:
    """docs/for-integrators.md's own consumer."""
    reader = await asyncio.create_subprocess_exec(
        *(sys.executable, "docs/examples/consume.py", "sensors.hourly-mean-computed.v1"),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
    )
    assert reader.stdout
    try:
        line = await asyncio.wait_for(reader.stdout.readline(), 60)
    finally:
        reader.kill()
        await reader.wait()
    assert "'mean_id'" in line.decode()


def post(url: str, body: object) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=15) as answer:
        return json.load(answer)


async def ask_for_video(state: Path) -> dict[str, str]:
    """As the 112 room: kind and place go out, the cameras around come back."""
    ports = json.loads((state / "ports.json").read_text())
    settings = json.loads((state / "env" / "emergency.json").read_text())
    peers = {one["name"]: one for one in json.loads(settings["EMERGENCY_PEER_ROOMS"])}
    room, number = f"http://127.0.0.1:{ports['room.112']}", "20261122120000001"
    body = {
        "evtId": "112UC001",
        "evtGrad": "10",
        "ocrNbr": number,
        "ocrSts": "10",
        "ocrLc": {"crdntX": "127.04700", "crdntY": "37.73842", "crdntZ": "0"},
        "ocrPlc": "의정부역 동부광장",
        "ocrEvtCn": "흉기를 든 사람",
        "ocrEvtTime": "20261122120000",
        "ocrEvtSts": {"ocrEvtStsCd": "10", "ocrEvtStsDtl": "발생"},
        "ocrEvtItemCnt": "0",
        "ocrEvtItem": [],
    }
    order = {
        "target": f"http://127.0.0.1:{ports['emergency.http']}",
        "api_key": peers["112"]["api_key"],
        "send_cd": peers["112"]["send_code"],
        "sys_cd": peers["112"]["system_code"],
        "body": body,
    }
    report = await asyncio.to_thread(post, f"{room}/control/send", order)
    assert report["event"]["answer"]["result"] == "0", report

    async def answered() -> dict[str, str] | None:
        def told() -> Any:
            with urllib.request.urlopen(f"{room}/control/events", timeout=15) as answer:
                return json.load(answer)

        events = await asyncio.to_thread(told)
        own = [
            e["items"] for e in events if e["ocrNbr"] == number and "카메라 1 토큰" in e["items"]
        ]
        return own[0] if own else None

    items = await eventually(answered, seconds=60, interval=0.5)
    assert items
    return items


@pytest.mark.timeout(600)
async def test_up_brings_the_city_to_life_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    meshctl = [sys.executable, "-m", "meshctl"]
    state = ["--state", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        *meshctl, "up", "--city", "--free-ports", *state, cwd=ROOT, stdout=subprocess.DEVNULL
    )

    async def run(*arguments: str) -> str:
        asked = await asyncio.create_subprocess_exec(
            *meshctl, *arguments, *state, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        answer, _ = await asked.communicate()
        return answer.decode()

    async def ready() -> Any:
        assert process.returncode is None
        status = json.loads(await run("status", "--json") or "{}")
        return status if status.get("ready") else None

    async def means() -> bool:
        topic = "sensors.hourly-mean-computed.v1"
        seen = await run("tail", topic, "--from-beginning", "--until-end", "--json")
        return len({json.loads(line)["data"]["station_id"] for line in seen.splitlines()}) == 90

    async def settled() -> bool:
        topic = "parking.settlement-posted.v1"
        return bool(await run("tail", topic, "--from-beginning", "--until-end"))

    async def kiosks() -> bool:
        listed = json.loads(await run("call", "city.health.v1.KioskService/ListKiosks", "{}"))
        return len(listed["kiosks"]) == 8

    try:
        status = await eventually(ready, seconds=240)
        await eventually(means, seconds=90, interval=1)
        await eventually(settled, seconds=90, interval=1)
        await eventually(kiosks, seconds=90, interval=1)
        await read_as_an_integrator(json.loads(await run("env", "integrator", "--json")))
        video = await ask_for_video(tmp_path)
        token = {"token": video["카메라 1 토큰"], "cameraId": video["카메라 1"].split()[0]}
        lease_service = "city.cameras.v1.LeaseService"
        assert "leaseId" in await run("call", f"{lease_service}/AuthorizeStream", json.dumps(token))
        verdict = json.loads(await run("call", f"{lease_service}/VerifyRegister", "{}"))
        assert verdict["intact"] is True
        assert {"cameras", "cameras-stream"} <= set(status["parts"])  # intake: bulk
        pids = [part["pid"] for part in status["parts"].values()]
    finally:
        process.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(process.wait(), 60)
    assert code == 0
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
