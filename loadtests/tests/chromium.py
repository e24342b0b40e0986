"""A page as headless Chromium has drawn it."""

import shutil
import subprocess
from pathlib import Path

import pytest

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--window-size=1300,900",
    "--virtual-time-budget=3000",
    "--dump-dom",
)

needs_chromium = pytest.mark.skipif(
    _CHROMIUM is None, reason="NO CHROMIUM: the report's page was not looked at"
)


def drawn(address: str, profile: Path) -> "subprocess.CompletedProcess[str]":
    """The document on standard output, the console on standard error."""
    assert _CHROMIUM is not None
    return subprocess.run(
        [_CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", address],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
