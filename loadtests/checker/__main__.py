"""`python -m loadtests.checker DIR --environments FILE`: writes DIR/check.json."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loadtests.checker.rows import ROOM
from loadtests.checker.settling import is_clean, settled
from loadtests.checker.topics import ReadError
from loadtests.driver.result import Check, ResultError


def variables(file: Path) -> dict[str, str]:
    """What `meshctl env NAME --json` prints, of the operator and each department: in one object,
    or one by name. Raises ValueError."""
    found: dict[str, str] = {}
    content: Any = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{file}: expected an object")
    for name, value in content.items():
        if isinstance(value, dict):
            found |= {str(inner): str(text) for inner, text in value.items()}
        else:
            found[str(name)] = str(value)
    return found


def room(text: str) -> tuple[str, str]:
    """Name, as the check calls it, and URL. Raises ValueError."""
    name, equals, url = text.partition("=")
    if not (name and equals and url):
        raise ValueError(f"--room {text}: expected NAME=URL")
    return ROOM + name.removeprefix(ROOM), url.rstrip("/")


def table(check: Check) -> str:
    rows = [*check.checked.items(), ("", ""), *check.counts.items()]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {count:>10}".rstrip() for name, count in rows]
    lines += [f"{one.kind}: {one.subject} {one.id}: {one.detail}" for one in check.findings[:20]]
    if check.detail:
        lines.append(check.detail if check.complete else f"not complete: {check.detail}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 nothing is wrong, 1 something is or not all could be read, 2 wrong arguments."""
    parser = argparse.ArgumentParser("python -m loadtests.checker", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the run")
    parser.add_argument(
        "--environments",
        type=Path,
        required=True,
        help="JSON: variables of the operator and of each department, as meshctl env prints them",
    )
    parser.add_argument(
        "--alone",
        action="store_true",
        help="nobody but the driver detected or measured anything: every other event is unseen",
    )
    parser.add_argument(
        "--room",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="a stand-in's control address, as 112=http://…; its record is looked at",
    )
    parser.add_argument("--wait", type=float, default=30.0, help="seconds for effects to arrive")
    given = parser.parse_args(arguments)
    try:
        environment = variables(given.environments)
        rooms = dict(room(one) for one in given.room)
        check = asyncio.run(settled(given.folder, environment, given.alone, given.wait, rooms))
    except (ReadError, ResultError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ValueError | OSError) else 1
    check.write(given.folder)
    print(table(check))
    return 0 if is_clean(check) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
