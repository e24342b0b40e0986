"""What a room's stand-in wrote down of what it was told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def lines(record: Path) -> Sequence[Mapping[str, Any]]:
    """Each message once, in order; a repeat of the same bytes is left out."""
    texts = record.read_text().splitlines() if record.exists() else []
    return [line for line in map(json.loads, texts) if not line["repeat"]]


def told(record: Path) -> Mapping[str, Counter[int]]:
    """By incident, how often the room was told of each revision; answers to it not counted."""
    found: dict[str, Counter[int]] = {}
    for line in lines(record):
        items = line["items"]
        if "answer" not in items:
            revisions = found.setdefault(items.get("incidentId", ""), Counter())
            revisions[int(items.get("revision", 0))] += 1
    return found
