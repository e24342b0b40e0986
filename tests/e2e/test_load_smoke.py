"""`make load SCENARIO=smoke`, as its README's reader runs it: on a stack of its own, to a verdict.

Whether its limits of time are kept is for a quiet machine; here nothing may be lost or doubled,
and all of the run's folder is there.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(420)
def test_the_smoke_scenario_loses_and_doubles_nothing(tmp_path: Path) -> None:
    ended = subprocess.run(
        (sys.executable, "-m", "loadtests.scenarios", "run", "smoke", "--out", str(tmp_path)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )
    (folder,) = tmp_path.glob("smoke-*")
    result = json.loads((folder / "result.json").read_text())
    assert ended.returncode == {"PASS": 0, "FAIL": 1, "INVALID": 2}[result["verdict"]], ended.stderr
    verdicts = {gate["name"]: (gate["verdict"], gate["value"]) for gate in result["gates"]}
    for kind in ("lost", "doubled", "reordered", "unseen"):
        assert verdicts[kind] == ("PASS", 0), (folder / "check.json").read_text()
    operations = {one["name"]: one for one in result["figures"]["operations"]}
    assert len(operations) == 10
    assert all(one["sent"] == one["intended"] > 0 for one in operations.values())
    assert all(one["ok"] > 0 for one in operations.values())
    effects = {one["effect"] for one in result["figures"]["freshness"]}
    assert {"room-112", "room-119"} <= effects
    for name in ("report.html", "junit.xml", "merged.hlog", "run.json", "resources.jsonl"):
        assert (folder / name).stat().st_size > 0
