"""The contenders, and how a process of one is started."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loadtests.peers.task import Result, Task
from loadtests.peers.wire import ROOT

REQUIREMENTS = Path(__file__).parent / "requirements"
SERVICES = ("cameras", "sensors")
_SECONDS = 1800


class ContenderError(Exception):
    """A contender's process failed; with the end of what it said."""


@dataclass(frozen=True)
class Contender:
    """`module` of contenders/, in the project's virtual environment or one of its own."""

    name: str
    module: str
    venv: str = ""

    @property
    def ours(self) -> bool:
        return self.module == "ours"

    def prepare(self) -> None:
        """Its virtual environment, once."""
        if not self.venv:
            return
        requirements = REQUIREMENTS / f"{self.venv}.txt"
        made = self._folder / "made-of.txt"
        if made.exists() and made.read_bytes() == requirements.read_bytes():
            return
        subprocess.run([sys.executable, "-m", "venv", str(self._folder)], check=True)
        pip = [str(self._folder / "bin" / "pip"), "install", "--quiet"]
        pip += ["--disable-pip-version-check", "-r", str(requirements)]
        subprocess.run(pip, check=True)
        made.write_bytes(requirements.read_bytes())

    def start(self, environment: Mapping[str, str], module: str = "") -> "subprocess.Popen[bytes]":
        """It waits for its task. module: another one of contenders/."""
        python, environment = sys.executable, {**os.environ, **environment}
        if self.venv:
            python = str(self._folder / "bin" / "python")
            sources = [ROOT / "services" / service / "src" for service in SERVICES]
            paths = [ROOT, ROOT / "backbone" / "src", *sources]
            environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
        return subprocess.Popen(
            [python, "-m", f"loadtests.peers.contenders.{module or self.module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
        )

    def run(self, task: Task, environment: Mapping[str, str]) -> Result:
        """Raises ContenderError."""
        process = self.start(environment)
        try:
            out, error = process.communicate(msgspec.json.encode(task) + b"\n", timeout=_SECONDS)
        finally:
            process.kill()
        return self.result(process.returncode, out, error)

    def result(self, code: int, out: bytes, error: bytes) -> Result:
        if code:
            raise ContenderError(f"{self.name}: {error.decode(errors='replace')[-3000:]}")
        return msgspec.json.decode(out.splitlines()[-1], type=Result)

    @property
    def _folder(self) -> Path:
        return ROOT / ".cache" / "peers" / self.venv


BASE = Contender("aiokafka loop", "bare_loop")
OURS = Contender("citymesh", "ours")
CONTENDERS = (
    BASE,
    Contender("confluent loop", "confluent_loop"),
    OURS,
    Contender("quixstreams", "quix", "quixstreams"),
    Contender("FastStream", "faststream_batch", "faststream"),
    Contender("stock Faust", "stock_faust"),
    Contender("tuned Faust", "tuned_faust"),
)
