"""Whether anything that says who somebody is lies in the clear where the stack keeps its data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

# Of the broker only segments: its indexes hold no content, and are large and sparse.
_WHERE = ("kafka/**/*.log", "postgres/**/*", "folders/**/*", "logs/**/*")


def in_clear(state: Path, words: Iterable[str]) -> Sequence[tuple[str, str]]:
    """Each word with a file that holds it, as it is or as JSON escapes it."""
    wanted = [(word, {word.encode(), json.dumps(word)[1:-1].encode()}) for word in words]
    found = []
    for path in (path for where in _WHERE for path in state.glob(where) if path.is_file()):
        try:
            held = path.read_bytes()
        except FileNotFoundError:
            continue  # the broker and the database drop files
        name = str(path.relative_to(state))
        found += [(word, name) for word, forms in wanted if any(one in held for one in forms)]
    return found
