"""The resources in this folder and what comes of each, as manifest.json has it.

`{token}`, `{kiosk}`, `{now}` and `{run}` in them stand for a person's token, a registered kiosk,
the moment of sending, and what makes the identifiers of a run its own.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Example:
    """`outcome` of a valid one: status, observations, perhaps interpretation; of an invalid one:
    status, code and expression (null when there is no element to name)."""

    name: str
    path: Path
    outcome: dict[str, Any]

    def body(self, *, token: str, kiosk: str, now: str, run: str) -> bytes:
        text = self.path.read_text()
        for name, value in (("token", token), ("kiosk", kiosk), ("now", now), ("run", run)):
            text = text.replace(f"{{{name}}}", value)
        return text.encode()


def examples(kind: str) -> list[Example]:
    """`valid` or `invalid`, all that are in the folder."""
    manifest = json.loads((_FOLDER / "manifest.json").read_text())[kind]
    paths = sorted((_FOLDER / kind).glob("*.json"))
    assert [path.name for path in paths] == sorted(manifest)
    return [Example(path.stem, path, manifest[path.name]) for path in paths]
