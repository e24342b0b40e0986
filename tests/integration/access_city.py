"""The whole city on the real parts, for as long as a module's tests: nobody else writes to it."""

import asyncio
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from .access_rules import ROOT, Principal, principals

ONVIF_KEY = "key-of-the-cameras"
_DENIED = re.compile(
    r"Principal = User:(\S+) is Denied operation = (\w+) from host = \S+"
    r" on resource = (\w+):LITERAL:(\S+) for request"
)
_UNDECLARED = " does not declare calls: "
_SECONDS = 240

Denial = tuple[str, str, str, str]


@dataclass(frozen=True)
class City:
    """A running stack with its services; the folder is meshctl's."""

    folder: Path
    principals: list[Principal]

    @property
    def services(self) -> list[Principal]:
        return [one for one in self.principals if one.is_service]

    def port(self, name: str) -> int:
        ports: dict[str, int] = json.loads((self.folder / "ports.json").read_text())
        return ports[name]

    def password(self, user: str) -> str:
        passwords: dict[str, str] = self._secrets()["kafka"]
        return passwords[user]

    def certificate(self, name: str) -> Path:
        return self.folder / "ca" / f"{name}.pem"

    def dsn(self, role: str, database: str) -> str:
        password = self._secrets()["postgres"][role]
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port('postgres')}/{database}"

    def log(self, part: str) -> str:
        return (self.folder / "logs" / f"{part}.log").read_text(encoding="utf-8")

    def denials(self) -> set[Denial]:
        """What the broker's authorizer refused: who, on what, and which operation."""
        return {
            (found[1], found[3].upper(), found[4].replace("kafka-cluster", ""), found[2])
            for found in _DENIED.finditer(self.log("kafka"))
        }

    def refusals(self) -> set[tuple[str, str]]:
        """Whom the services refused which method for want of a declaration."""
        found = set()
        for service in self.services:
            for line in self.log(service.name).splitlines():
                if '"call refused"' in line and _UNDECLARED in line:
                    entry = json.loads(line)
                    caller, _, method = entry["error"].partition(_UNDECLARED)
                    assert entry["method"] == f"/{method}"
                    found.add((caller, method))
        return found

    async def contents(self) -> dict[str, str]:
        """A digest of every table of every department."""
        return await asyncio.to_thread(
            lambda: dict(entry for service in self.services for entry in self._tables(service.name))
        )

    def _tables(self, service: str) -> Iterator[tuple[str, str]]:
        with psycopg.connect(self.dsn(service, service), connect_timeout=10) as connection:
            names = connection.execute(
                "select schemaname, tablename from pg_tables"
                " where schemaname not in ('pg_catalog', 'information_schema')"
            ).fetchall()
            for schema, table in names:
                query = sql.SQL("select t::text from {} t order by 1").format(
                    sql.Identifier(schema, table)
                )
                rows = "\n".join(row[0] for row in connection.execute(query))
                yield f"{service}.{schema}.{table}", hashlib.sha256(rows.encode()).hexdigest()

    def _secrets(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "secrets.json").read_text())
        return content


@contextmanager
def running(folder: Path) -> Iterator[City]:
    """On free ports. Cameras' key is set, without which nobody at all could notify it; no register
    is sealed meanwhile, which would be a write that no call made."""
    (folder / "env").mkdir()
    own = {
        "cameras": {
            "CAMERAS_INGEST__ONVIF_KEY": ONVIF_KEY,
            "CAMERAS_LEASES__SEAL_EVERY_SECONDS": "3600",
        },
        "health": {"HEALTH_PEOPLE__SEAL_EVERY_SECONDS": "3600"},
        "parking": {"PARKING_VAULT__SEAL_EVERY_SECONDS": "3600"},
    }
    for department, variables in own.items():
        (folder / "env" / f"{department}.json").write_text(json.dumps(variables))
    try:
        _meshctl("up", "--detach", "--free-ports", "--state", str(folder))
        yield City(folder, principals())
    finally:
        _meshctl("down", "--state", str(folder))


def _meshctl(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "meshctl", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
