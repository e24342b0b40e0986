"""A department's folder in a place of its own, with an environment of what it declares."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
MESHCTL = Path(sys.executable).parent / "meshctl"
# Written into the copy: every module that a run imported, to be looked at afterwards.
WITNESS = """
import json
import sys

def pytest_sessionfinish():
    with open("modules.json", "w") as file:
        known = sys.modules.items()
        json.dump({name: getattr(module, "__file__", None) for name, module in known}, file)
"""


@dataclass(frozen=True)
class Outcome:
    """How a run of pytest went: tests by their folder, and the files of all that was imported."""

    code: int
    output: str
    passed: Counter[str]
    modules: dict[str, Path]


@dataclass(frozen=True)
class Lone:
    """A copied department, and the Python of its environment."""

    folder: Path
    python: Path

    def run(self, *arguments: str, seconds: float = 400) -> subprocess.CompletedProcess[str]:
        """Its Python, as someone calls it who has nothing of this checkout but its meshctl."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env={**_plain(), "CITYMESH_MESHCTL": str(MESHCTL)},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def test(self, *arguments: str) -> Outcome:
        """Run its tests, all of them unless told otherwise."""
        report = self.folder / "report.xml"
        done = self.run("-m", "pytest", "-p", "witness", f"--junitxml={report}", *arguments)
        cases = ElementTree.parse(report).getroot().iter("testcase")
        modules = json.loads((self.folder / "modules.json").read_text())
        return Outcome(
            done.returncode,
            done.stdout + done.stderr,
            Counter(case.get("classname", "").split(".")[1] for case in cases if not len(case)),
            {name: Path(file) for name, file in modules.items() if file},
        )


def build_wheels(folder: Path, packages: Sequence[str]) -> list[Path]:
    """From copies: building writes into the folder, and other tests read its stubs meanwhile."""
    left = ("build", "build_stubs", "wheels", "*.egg-info", "tests", "__pycache__")
    ours = shutil.ignore_patterns(*left)
    for package in packages:
        shutil.copytree(ROOT / package, folder / "sources" / package, ignore=ours)
    sources = [str(folder / "sources" / package) for package in packages]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    _pip("wheel", *options, "--wheel-dir", str(folder / "wheels"), *sources)
    return sorted((folder / "wheels").glob("*.whl"))


def take_away(department: str, place: Path, wheels: Sequence[Path]) -> Lone:
    """Copy a department to `place`, and install it there as its people would, without downloads."""
    folder = place / department
    ours = shutil.ignore_patterns("build", "wheels", "*.egg-info", "__pycache__", ".*")
    shutil.copytree(ROOT / "services" / department, folder, ignore=ours)
    (folder / "witness.py").write_text(WITNESS)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    needed = {*project["dependencies"], *project["optional-dependencies"]["test"], "setuptools"}
    for wheel in wheels:
        needed |= _required(wheel)
    venv = [sys.executable, "-m", "venv", "--without-pip", str(place / "venv")]
    subprocess.run(venv, check=True, timeout=60)
    python = place / "venv" / "bin" / "python"
    (site_packages,) = (place / "venv" / "lib").glob("python*/site-packages")
    for distribution in _third_parties(needed):
        _link(distribution, site_packages)
    options = ["--quiet", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    editable = ["--editable", f"{folder}[test]"]
    _pip("--python", str(python), "install", *options, *map(str, wheels), *editable)
    return Lone(folder, python)


def _plain() -> dict[str, str]:
    """Nothing that leads back to this checkout."""
    kept = ("HOME", "JDK_JAVA_OPTIONS", "LANG", "PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        env=_plain(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _required(wheel: Path) -> set[str]:
    """What the wheel says it needs, which may be newer than what is installed here says."""
    name, version = wheel.name.split("-")[:2]
    inside: Any = zipfile.Path(wheel, f"{name}-{version}.dist-info/")
    return set(metadata.PathDistribution(inside).requires or ())


def _third_parties(declared: Iterable[str]) -> Iterator[metadata.Distribution]:
    """What these need, and what that needs, as installed here; nothing of the city's own."""
    waiting = [(Requirement(text), frozenset[str]()) for text in declared]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted, asked_by = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if wanted.marker and not any(
            wanted.marker.evaluate({"extra": extra}) for extra in ("", *asked_by)
        ):
            continue
        if name.startswith("city-") or (name, extras) in seen:
            continue
        seen.add((name, extras))
        found = metadata.distribution(name)
        waiting += [(Requirement(text), extras) for text in found.requires or ()]
        yield found


def _link(distribution: metadata.Distribution, site_packages: Path) -> None:
    """As if it were installed there."""
    for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
        target = site_packages / top
        if not target.exists() and not top.endswith(".pth"):
            target.symlink_to(Path(str(distribution.locate_file(top))))
