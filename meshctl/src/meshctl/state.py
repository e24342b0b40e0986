"""The state folder: where a stack keeps its data, secrets, ports and what runs."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel, ValidationError

from meshctl.errors import AlreadyRunningError, MeshctlError

PartStatus = Literal["starting", "ready", "waiting", "stopped"]
# psutil computes a start time from the boot time, which a clock step moves a little.
_SAME_START = 2.0


class ProcessId(BaseModel):
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    created: float
    program: str = ""

    @classmethod
    def of(cls, pid: int, program: str = "") -> ProcessId | None:
        """The process with this pid, None when it is gone."""
        try:
            return cls(pid=pid, created=psutil.Process(pid).create_time(), program=program)
        except psutil.NoSuchProcess:
            return None

    def find(self) -> psutil.Process | None:
        """The same process, if it still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_START
            if not same or process.status() == psutil.STATUS_ZOMBIE:
                return None
            if self.program and self.program not in " ".join(process.cmdline()):
                return None
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return process


class PartState(BaseModel):
    """One part as its supervisor last saw it."""

    status: PartStatus
    process: ProcessId | None = None
    port: int | None = None
    restarts: int = 0


class Run(BaseModel):
    """The content of run.json."""

    supervisor: ProcessId
    phase: Literal["starting", "ready", "stopping"] = "starting"
    backbone_only: bool = False
    services: list[str] = []
    parts: dict[str, PartState] = {}

    @property
    def folders(self) -> Sequence[Path]:
        """The folders of services that it was started with."""
        return [Path(folder) for folder in self.services]


class State:
    """Paths and files under one state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.ca = folder / "ca"
        self.policies = folder / "policy"
        self.environments = folder / "env"
        self.kafka = folder / "kafka"
        self.registry = folder / "registry"
        self.postgres = folder / "postgres"
        self.folders = folder / "folders"
        self.containers = folder / "containers"
        self.secrets = folder / "secrets.json"
        self.ports = folder / "ports.json"
        self.run = folder / "run.json"
        self._lock = folder / "lock"

    def make(self) -> None:
        """Create the folder. It may be looked through, its secrets are in files of mode 0600."""
        try:
            for path in (self.folder, self.logs, self.ca, self.policies, self.environments):
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MeshctlError(f"{self.folder}: cannot be made: {error.strerror}") from error

    @property
    def composed(self) -> bool:
        """Whether it is of containers: compose runs them, nothing here supervises them."""
        return self.containers.is_dir()

    def folder_of(self, service: str, setting: str) -> Path:
        """Where a service keeps the files of one of its `folders`."""
        return self.folders / service / setting.lower()

    def log(self, part: str) -> Path:
        """The log file of a part."""
        return self.logs / f"{part}.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one `up`. Raises AlreadyRunningError when another holds it."""
        self.make()
        with self._lock.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                run = self.read_run()
                who = f" (process {run.supervisor.pid})" if run else ""
                raise AlreadyRunningError(
                    f"a stack already runs on {self.folder}{who};"
                    " `meshctl status` shows it, `meshctl down` stops it"
                ) from None
            yield

    def is_locked(self) -> bool:
        """Whether an `up` runs on this folder."""
        if not self._lock.exists():
            return False
        with self._lock.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def read_run(self) -> Run | None:
        """What the last supervisor wrote, None if nothing readable."""
        try:
            return Run.model_validate_json(self.run.read_bytes())
        except (OSError, ValidationError):
            return None

    def running(self) -> Run | None:
        """The run of a supervisor that is alive."""
        run = self.read_run()
        return run if run is not None and run.supervisor.find() is not None else None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of the state folder, empty when there is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise MeshctlError(f"{path}: expected a JSON object: {error}") from error
    if not isinstance(content, dict):
        raise MeshctlError(f"{path}: expected a JSON object")
    return content


def write_json(path: Path, content: Mapping[str, Any], mode: int = 0o644) -> None:
    """Replace a file of the state folder at once, never leaving half of it."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n", mode)


def write_text(path: Path, content: str, mode: int = 0o644) -> None:
    """Replace a file at once, with these permissions from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            handle.write(content)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
