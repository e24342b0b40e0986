"""pytest fixtures that start the real parts once per run, and a way to run a service in them."""

import asyncio
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiohttp
import grpc.aio
import pytest

from city_backbone.database import Connection
from city_backbone.rpc.channel import open_channel
from city_backbone.runtime import Backbone, Bootstrap, running
from city_backbone.settings import ServiceSettings, TlsSettings, load

# Their assertions tell what they compared, as those of a test module do.
pytest.register_assert_rewrite("city_backbone.contracts")

S = TypeVar("S", bound=ServiceSettings)
T = TypeVar("T")

START_SECONDS = 240
# A department outside a checkout names one's meshctl: it starts the parts, none of it is imported.
_NAMED = os.environ.get("CITYMESH_MESHCTL")
_MESHCTL = [_NAMED] if _NAMED else [sys.executable, "-m", "meshctl"]


@dataclass(frozen=True)
class Mesh:
    """A running broker, registry and database with every registration applied, no service."""

    state: Path

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a department or client, as `meshctl env` gives it."""
        return dict(_environment(self.state, name))

    def command(self, *arguments: str) -> list[str]:
        """How to call meshctl on this mesh."""
        return [*_MESHCTL, *arguments, "--state", str(self.state)]


@dataclass(frozen=True)
class RunningService(Generic[S]):
    """A service in this process; `channel` calls it as the operator."""

    backbone: Backbone[S]
    channel: grpc.aio.Channel
    http_url: str


def pytest_addoption(parser: pytest.Parser) -> None:
    """`citymesh_services` in the pytest settings: folders whose departments the mesh registers."""
    parser.addini("citymesh_services", "folders of departments", type="paths", default=["services"])


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Property tests do not fail on a slow machine; `--hypothesis-profile` still has its say."""
    if config.pluginmanager.hasplugin("hypothesispytest"):
        from hypothesis import settings

        settings.register_profile("no-deadline", deadline=None)
        settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Mesh]:
    """Started once per run on free ports; CITYMESH_TEST_STATE names a running one instead."""
    existing = os.environ.get("CITYMESH_TEST_STATE")
    if existing:
        yield Mesh(Path(existing))
        return
    state = tmp_path_factory.mktemp("mesh")
    folders = [
        argument
        for folder in pytestconfig.getini("citymesh_services")
        for argument in ("--services", str(folder))
    ]
    _meshctl("up", "--detach", "--backbone-only", "--free-ports", "--state", str(state), *folders)
    try:
        yield Mesh(state)
    finally:
        _meshctl("down", "--state", str(state))


@functools.cache
def _environment(state: Path, name: str) -> dict[str, str]:
    environment: dict[str, str] = json.loads(_meshctl("env", name, "--json", "--state", str(state)))
    return environment


def _meshctl(*arguments: str) -> str:
    done = subprocess.run(
        [*_MESHCTL, *arguments],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"meshctl {' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout


@asynccontextmanager
async def run_service(
    mesh: Mesh,
    settings_type: type[S],
    bootstrap: Bootstrap[S],
    package: str,
    overrides: Mapping[str, str] | None = None,
) -> AsyncIterator[RunningService[S]]:
    """Run a service's bootstrap on the real parts, on ports of its own; ready when entered.

    `overrides` are further environment variables, as an SRE would set them.
    """
    prefix = settings_type.model_config.get("env_prefix", "")
    environment = {
        **mesh.environment(package),
        f"{prefix}GRPC__PORT": "0",
        f"{prefix}GRPC__HOST": "127.0.0.1",
        f"{prefix}HTTP__PORT": "0",
        f"{prefix}HTTP__HOST": "127.0.0.1",
        f"{prefix}KAFKA__SESSION_TIMEOUT_SECONDS": "6",
        **(overrides or {}),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = load(settings_type)
    async with running(settings, bootstrap, package) as started:
        operator = mesh.environment("operator")
        channel = open_channel(
            f"127.0.0.1:{started.grpc_port}",
            TlsSettings(
                cert_file=Path(operator["OPERATOR_TLS__CERT_FILE"]),
                key_file=Path(operator["OPERATOR_TLS__KEY_FILE"]),
                ca_file=Path(operator["OPERATOR_TLS__CA_FILE"]),
            ),
            server_name=package,
        )
        http_url = f"http://127.0.0.1:{started.http_port}"
        try:
            await eventually(lambda: _ready(http_url), seconds=60)
            yield RunningService(started.backbone, channel, http_url)
        finally:
            await channel.close(None)


async def eventually(
    condition: Callable[[], Awaitable[T]], seconds: float = 20.0, interval: float = 0.05
) -> T:
    """Wait until `condition` returns something true, and return that.

    Raises AssertionError with the last answer after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s; last answer: {answer!r}")
        await asyncio.sleep(interval)


async def join_by_nested_loops(connection: Connection) -> None:
    """In this transaction, as the planner does by some statistics.

    A subquery may run once per row then: `in (select … limit … for update)` bounds nothing.
    """
    for other in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize"):
        await connection.execute(f"set local enable_{other} = off".encode())


async def _ready(url: str) -> Any:
    timeout = aiohttp.ClientTimeout(total=2)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}/readyz") as response,
    ):
        return response.status == 200
