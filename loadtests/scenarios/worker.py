"""A department's second worker beside the one that meshctl keeps: a process of the role stream."""

import asyncio
import json
import os
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.scenarios.fault import FaultError

_STOP_SECONDS = 20.0


class Workers:
    """Those that run now: `pids` and `metrics`, URLs, by `department#number`."""

    def __init__(self, state: Path, environment: Mapping[str, str]) -> None:
        self._state = state
        self._environment = environment
        self._counted = Counter[str]()
        self.pids: dict[str, int] = {}
        self.metrics: dict[str, str] = {}

    @asynccontextmanager
    async def one_more(self, department: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Ended as a supervisor ends it. Raises FaultError when it ended by itself."""
        self._counted[department] += 1
        number = self._counted[department]
        port = _free_port()
        environment = await asyncio.to_thread(self._environment_of, department, number, port)
        name = f"{department}#{number}"
        with await asyncio.to_thread((self._state / "logs" / f"{name}.log").open, "ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", department),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self.pids[name] = process.pid
        self.metrics[name] = f"http://127.0.0.1:{port}/metrics"
        try:
            yield process
            if process.returncode is not None:
                raise FaultError(f"{name}: ended by itself with code {process.returncode}")
        finally:
            del self.pids[name], self.metrics[name]
            await _end(process)

    def _environment_of(self, department: str, number: int, port: int) -> dict[str, str]:
        prefix = f"{department.upper()}_"
        try:
            source = Path(self._environment[f"{prefix}REGISTRATION_FILE"]).parent / "src"
        except KeyError:
            raise FaultError(f"{department}: no such department of the stack") from None
        own = self._state / "env" / f"{department}.json"
        further = json.loads(own.read_bytes()) if own.exists() else {}
        return {
            **os.environ,
            **{key: one for key, one in self._environment.items() if key.startswith(prefix)},
            **{key: str(value) for key, value in further.items()},
            "PYTHONPATH": os.pathsep.join(
                filter(None, (str(source), os.environ.get("PYTHONPATH")))
            ),
            f"{prefix}ROLE": "stream",
            f"{prefix}INSTANCE": f"{department}-{number}",
            f"{prefix}HTTP__PORT": str(port),
        }


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
