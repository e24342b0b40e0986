"""Rendered files are as the registrations would have them rendered now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from meshctl import render
from meshctl.catalogue import Catalogue
from meshctl.errors import SettingsError
from meshctl.render import files, sources


def check(root: Path, catalogue: Catalogue) -> Iterator[str]:
    """Every stale file, one line each."""
    try:
        found = sources.read(root, catalogue)
    except SettingsError as error:
        yield str(error)
        return
    yield from files.stale(root, render.tree(catalogue, found))
