"""Kafka's and the registry's jars: fetched once by Maven, found again by the pom's hash."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meshctl.errors import MeshctlError, PrerequisiteError
from meshctl.settings import Settings

JAVA_NEEDED = 17
_FETCH_SECONDS = 900.0
_VERSION = re.compile(r'version "(\d+)')


@dataclass(frozen=True, slots=True)
class Jvm:
    """Where the JVM parts are."""

    java: str
    kafka_classpath: str
    registry_jar: Path


async def ensure(settings: Settings, say: Callable[[str], None]) -> Jvm:
    """The JVM parts in ``.cache/jvm``, fetched by Maven unless the same pom was before.

    Raises PrerequisiteError when Java or Maven is missing, MeshctlError when the fetch fails.
    """
    java = await _java(settings.java)
    pom = settings.local / "pom.xml"
    cache = settings.root / ".cache" / "jvm"
    stamp = cache / "pom.sha256"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text().strip() != digest:
        say("fetching Kafka and the schema registry with Maven (once)")
        await _fetch(settings.maven, pom, cache)
        stamp.write_text(digest + "\n")
    runner = next((cache / "registry").glob("*-runner.jar"), None)
    if runner is None:
        raise MeshctlError(f"{cache / 'registry'}: Maven unpacked no *-runner.jar of the registry")
    return Jvm(java, kafka_classpath=str(cache / "kafka" / "*"), registry_jar=runner)


async def _java(command: str) -> str:
    program = shutil.which(command)
    if program is None:
        raise PrerequisiteError(f"Java {JAVA_NEEDED} or newer is needed, and {command} is not here")
    process = await asyncio.create_subprocess_exec(
        program, "-version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), timeout=30)
    match = _VERSION.search(output.decode(errors="replace"))
    if match is None or int(match[1]) < JAVA_NEEDED:
        found = match[1] if match else "an unknown version"
        raise PrerequisiteError(f"Java {JAVA_NEEDED} or newer is needed, {program} is {found}")
    return program


async def _fetch(maven: str, pom: Path, cache: Path) -> None:
    program = shutil.which(maven)
    if program is None:
        raise PrerequisiteError(f"Maven is needed to fetch the JVM parts, and {maven} is not here")
    await asyncio.to_thread(_empty, cache)
    process = await asyncio.create_subprocess_exec(
        program,
        *("--batch-mode", "--quiet", "--file", str(pom), f"-Djvm.directory={cache}", "package"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout=_FETCH_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise MeshctlError(f"Maven did not finish within {_FETCH_SECONDS:.0f} s") from None
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode != 0:
        lines = re.sub(r"\x1b\[[0-9;]*m", "", output.decode(errors="replace")).splitlines()
        reason = next((line for line in lines if "ERROR" in line), "no reason given")
        raise MeshctlError(f"Maven could not fetch the JVM parts: {reason}")


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
