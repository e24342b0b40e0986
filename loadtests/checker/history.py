"""What the driver wrote down of its calls."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from loadtests.driver.result import HISTORY, SHARDS

Status = Literal["ok", "failed", "unknown"]


class HistoryError(ValueError):
    """A history that cannot be read to its end, named."""


@dataclass(frozen=True, slots=True)
class Call:
    """Times are microseconds since 1970. `acknowledged` are ids that must be found, however the
    call ended: of several steps the first may have been answered. `attempted` are ids that it may
    have brought about."""

    op: str
    key: str
    intended: int
    sent: int
    done: int
    status: Status
    acknowledged: tuple[str, ...] = ()
    attempted: tuple[str, ...] = ()


def shards(folder: Path) -> int:
    """How many wrote a history."""
    return len(list(folder.glob(f"{SHARDS}/*/{HISTORY}")))


def calls(folder: Path) -> Iterator[Call]:
    """Of all shards, in their order. Raises HistoryError at the first line that is none."""
    for path in sorted(folder.glob(f"{SHARDS}/*/{HISTORY}")):
        good = 0
        try:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    yield _call(json.loads(line))
                    good += 1
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            # A shard that was killed leaves a file that ends within a line.
            raise HistoryError(f"{path}, line {good + 1}: {error!r}") from error


def _call(line: dict[str, Any]) -> Call:
    if line["status"] not in ("ok", "failed", "unknown"):
        raise ValueError(f"status: {line['status']!r}")
    return Call(
        line["op"],
        str(line.get("key") or ""),
        int(line["intended"]),
        int(line["sent"]),
        int(line["done"]),
        line["status"],
        tuple(line.get("acknowledged") or ()),
        tuple(line.get("attempted") or ()),
    )
