"""One look at a mesh: databases first, then topics and rooms, and the check of them all."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from loadtests.checker import rooms, tables
from loadtests.checker.core import Checking
from loadtests.checker.facts import FACTS, micros
from loadtests.checker.history import HistoryError, calls, shards
from loadtests.checker.rows import World
from loadtests.checker.tables import DEPARTMENTS
from loadtests.checker.topics import ReadError, Topics, topics
from loadtests.driver.result import Check, Run

#: Only their owner may read them.
_PERSONAL = ("health.measurement-taken.v1",)
_OPERATOR = "operator"


async def look(
    folder: Path, environment: Mapping[str, str], alone: bool, urls: Mapping[str, str]
) -> Check:
    """Read it all, once. `environment` holds the operator's variables, and departments' DSNs;
    `urls` are the rooms' stand-ins' by name, as "room-112".

    What cannot be read makes the check incomplete. Raises ReadError without a broker.
    """
    run = Run.read(folder)
    began = micros(run.began)
    world = World(began, alone, int(run.clock.uncertainty_ms * 1000))
    with (
        tempfile.TemporaryDirectory(prefix="checker-", dir=folder) as spill,
        Checking(world, Path(spill)) as checking,
    ):
        try:
            found = shards(folder)
            if found != run.shards:
                checking.missing(f"history of {found} of {run.shards} shards")
            for call in calls(folder):
                checking.call(call)
        except HistoryError as error:
            checking.missing(str(error))
        # What others did since then is on topics and in rooms, and not in what databases said.
        until = None if alone else time.time_ns() // 1000
        _databases(checking, environment, began)
        await _topics(checking, environment, began, until)
        await _rooms(checking, urls, began, until)
        return checking.result()


def _databases(checking: Checking, environment: Mapping[str, str], began: int) -> None:
    for department in DEPARTMENTS:
        address = tables.dsn(environment, department)
        if address is None:
            checking.missing(f"database of {department}: not given")
            continue
        try:
            waiting = tables.waiting(address, department)
            if waiting:
                checking.missing(f"{department}: {waiting} events are still on their way")
            for row in tables.read(address, department, began):
                checking.row(row)
            checking.was_read(*tables.places(department))
        except ReadError as error:
            checking.missing(str(error))


async def _rooms(
    checking: Checking, urls: Mapping[str, str], began: int, until: int | None
) -> None:
    for room, url in urls.items():
        try:
            async for told in rooms.read(room, url, began, until):
                checking.row(told)
            checking.was_read(room)
        except ReadError as error:
            checking.missing(str(error))


async def _topics(
    checking: Checking, environment: Mapping[str, str], began: int, until: int | None
) -> None:
    direct = [topic for topic in checking.directly_written() if topic not in FACTS]
    readers: dict[str, list[str]] = {_OPERATOR: []}
    for topic in (*FACTS, *direct):
        principal = topic.partition(".")[0] if topic in _PERSONAL else _OPERATOR
        readers.setdefault(principal, []).append(topic)
    for principal, own in readers.items():
        if f"{principal.upper()}_KAFKA__USERNAME" not in environment:
            checking.missing(f"{', '.join(own)}: environment of {principal} not given")
            continue
        async with topics(environment, principal) as reader:
            for topic in own:
                await _topic(checking, reader, topic, began, until)


async def _topic(
    checking: Checking, reader: Topics, topic: str, began: int, until: int | None
) -> None:
    try:
        async for event in reader.read(topic, began, until):
            checking.row(event)
        checking.was_read(topic)
    except ReadError as error:
        checking.missing(str(error))
