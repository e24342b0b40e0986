"""A topic's next schema under load: registered, written by its department, and taken back."""

import asyncio
import copy
import json
import shutil
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from loadtests.driver.result import Fault
from loadtests.scenarios.fault import FaultError
from loadtests.scenarios.stack import meshctl

FIELD = "loadtest_note"
"""What the next schema has and this one has not."""


@asynccontextmanager
async def upgraded(topic: str, state: Path, environment: Mapping[str, str]) -> AsyncIterator[None]:
    """Within, the topic's department writes events with one more field, and its consumers read
    them with the schemas that they have. It is restarted before and after."""
    department = topic.partition(".")[0]
    try:
        registration = Path(environment[f"{department.upper()}_REGISTRATION_FILE"])
        url = environment[f"{department.upper()}_REGISTRY__URL"]
    except KeyError:
        raise FaultError(f"{topic}: no such department of the stack") from None
    folder = state / "upgrades" / topic
    own = state / "env" / f"{department}.json"
    name = f"{department.upper()}_REGISTRATION_FILE"
    upgraded_file = await asyncio.to_thread(_copied, registration, topic, folder)
    try:
        await meshctl("register", str(upgraded_file), "--registry", url)
        await asyncio.to_thread(_set, own, {name: str(upgraded_file)})
        try:
            await meshctl("restart", department, "--state", str(state))
            yield
        finally:
            await asyncio.to_thread(_set, own, {name: None})
            await meshctl("restart", department, "--state", str(state))
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def unwritten(made: Iterable[Fault], schemas: Mapping[str, Collection[int]]) -> list[str]:
    """In words the upgraded topics that show no second schema; `schemas` are ids by topic."""
    return [
        f"register {one.target}: no event with the next schema was seen"
        for one in made
        if one.kind == "register" and len(schemas.get(one.target, ())) <= 1
    ]


def extended(schema: dict[str, Any]) -> dict[str, Any]:
    """The next version: one more field, with a default, so each reads what the other wrote."""
    found = copy.deepcopy(schema)
    found["fields"].append(
        {"name": FIELD, "type": "string", "default": "next", "doc": "Of a load test."}
    )
    return found


def _copied(registration: Path, topic: str, folder: Path) -> Path:
    """The registration with its schemas, the topic's extended."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(registration.parent / "events", folder / "events")
    shutil.copy(registration, folder)
    produces = YAML(typ="safe", pure=True).load(registration.read_text(encoding="utf-8"))
    for produced in produces.get("produces", ()):
        if produced["topic"] == topic:
            file = folder / "events" / produced["schema"]
            schema = extended(json.loads(file.read_text(encoding="utf-8")))
            file.write_text(json.dumps(schema, ensure_ascii=False, indent=2), encoding="utf-8")
            return folder / registration.name
    raise FaultError(f"{topic}: its department does not write it")


def _set(file: Path, values: Mapping[str, str | None]) -> None:
    """Further settings that meshctl starts a department with; None leaves one out."""
    found = {**(json.loads(file.read_bytes()) if file.exists() else {}), **values}
    found = {key: value for key, value in found.items() if value is not None}
    # It may hold keys: nobody else may read it, not even for a moment.
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(found), encoding="utf-8")
    fresh.replace(file)
