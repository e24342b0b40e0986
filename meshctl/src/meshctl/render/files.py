"""Rendered files on the disk: writing them, and finding those that are stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from meshctl import render
from meshctl.errors import MeshctlError
from meshctl.render.yaml import MARK

Tree = Mapping[PurePosixPath, str]


def write(root: Path, tree: Tree) -> tuple[int, int]:
    """Make the files these, and remove rendered ones that are none any more: how many of each.

    Raises MeshctlError for a file that cannot be written.
    """
    changed = 0
    gone = [*_left_over(root, tree)]
    try:
        for name, content in tree.items():
            if _read(root / name) != content:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content, encoding="utf-8")
                changed += 1
        for file in gone:
            file.unlink()
            if not any(file.parent.iterdir()):
                file.parent.rmdir()
    except OSError as error:
        raise MeshctlError(f"{error.filename}: {error.strerror}") from error
    return changed, len(gone)


def stale(root: Path, tree: Tree) -> Iterator[str]:
    """Every file that is not as it would be rendered now, one line each."""
    for name, content in tree.items():
        found = _read(root / name)
        if found is None:
            yield f"{root / name}: missing: `meshctl render` makes it"
        elif found != content:
            yield f"{root / name}:{_line(found, content)}: stale: `meshctl render` renews it"
    for file in _left_over(root, tree):
        yield f"{file}: nothing is registered that makes it: `meshctl render` removes it"


def _line(found: str, wanted: str) -> int:
    """The first line that differs."""
    ours, theirs = found.split("\n"), wanted.split("\n")
    pairs = enumerate(zip(ours, theirs, strict=False), start=1)
    return next((number for number, (a, b) in pairs if a != b), min(len(ours), len(theirs)) + 1)


def _left_over(root: Path, tree: Tree) -> Iterator[Path]:
    """Rendered files that nothing renders any more. What people wrote is nobody's business."""
    for folder in render.OWNED:
        for file in sorted((root / folder).rglob("*.yaml")):
            name = PurePosixPath(file.relative_to(root).as_posix())
            if name not in tree and (_read(file) or "").startswith(MARK):
                yield file


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
