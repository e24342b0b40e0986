"""Kafka's and the registry's jars: fetched once by Maven, found again by the pom's hash.

Beside them lies, once `make test` has run, what the JVM made of their classes (class data sharing):
with it both start with two thirds of the work.
"""

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
# Of classes that cannot be archived the JVM tells one by one.
_QUIETLY = ("-Xlog:disable", "-Xlog:all=error:stderr")
_VERSION = re.compile(r'version "(?P<full>(?P<feature>\d+)[^"]*)')


@dataclass(frozen=True, slots=True)
class Jvm:
    """Where the JVM parts are."""

    java: str
    version: str
    cache: Path
    registry_jar: Path
    keep_class_data: bool = False

    @property
    def kafka_classpath(self) -> str:
        return str(self.cache / "kafka" / "*")

    def class_data(self, part: str, *, keep: bool = True) -> tuple[str, ...]:
        """Options that share the archive of a part's classes, or with `keep_class_data` write it
        when the process ends, unless that is not to be kept. A JVM that cannot use an archive, or
        one that was not finished (its header is written last), starts as without.
        """
        archive = self.cache / f"{part}-java-{self.version}.jsa"
        if self.keep_class_data:
            return (f"-XX:ArchiveClassesAtExit={archive}", *_QUIETLY) if keep else ()
        return (f"-XX:SharedArchiveFile={archive}", *_QUIETLY) if archive.is_file() else ()


async def ensure(settings: Settings, say: Callable[[str], None]) -> Jvm:
    """The JVM parts in ``.cache/jvm``, fetched by Maven unless the same pom was before.

    Raises PrerequisiteError when Java or Maven is missing, MeshctlError when the fetch fails.
    """
    java, version = await _java(settings.java)
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
    return Jvm(java, version, cache, runner, settings.keep_class_data)


async def _java(command: str) -> tuple[str, str]:
    """Its path and version."""
    program = shutil.which(command)
    if program is None:
        raise PrerequisiteError(f"Java {JAVA_NEEDED} or newer is needed, and {command} is not here")
    process = await asyncio.create_subprocess_exec(
        program, "-version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), timeout=30)
    match = _VERSION.search(output.decode(errors="replace"))
    if match is None or int(match["feature"]) < JAVA_NEEDED:
        found = match["feature"] if match else "an unknown version"
        raise PrerequisiteError(f"Java {JAVA_NEEDED} or newer is needed, {program} is {found}")
    return program, match["full"]


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
