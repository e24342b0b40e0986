"""Files that are imported: CSV with a header, columns in any order; a bad line is named."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from meshctl.errors import SettingsError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """A line of a file that can be read; the department judges it."""

    line: int
    message: T


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that was refused, and why."""

    file: Path
    line: int
    column: str
    problem: str

    def __str__(self) -> str:
        column = f" {self.column}:" if self.column else ""
        return f"{self.file}:{self.line}:{column} {self.problem}"


class Unreadable(Exception):
    """What the reader of a line raises."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(column, problem)
        self.column = column
        self.problem = problem


def parse(
    file: Path,
    columns: Sequence[str],
    read: Callable[[Mapping[str, str]], T],
    encodings: Sequence[str] = ("utf-8-sig",),
) -> Iterator[Row[T] | BadRow]:
    """`read` gets the trimmed cells of `columns`; the first encoding that fits is the file's.

    Raises SettingsError when the file or its header is wrong.
    """
    try:
        reader = csv.DictReader(io.StringIO(_text(file, encodings), newline=""))
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise SettingsError(f"{file}:1: column missing: {', '.join(missing)}")
        for cells in reader:
            line = reader.line_num
            if None in cells:
                expected = len(reader.fieldnames or ())
                found = expected + len(cells[None])
                yield BadRow(file, line, "", f"expected {expected} cells, found {found}")
                continue
            try:
                yield Row(line, read({name: (cells[name] or "").strip() for name in columns}))
            except Unreadable as error:
                yield BadRow(file, line, error.column, error.problem)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from error


def _text(file: Path, encodings: Sequence[str]) -> str:
    content = file.read_bytes()
    for encoding in encodings[:-1]:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode(encodings[-1])


def good(rows: Iterator[Row[T] | BadRow], bad: list[BadRow]) -> Iterator[Row[T]]:
    """Those that can be read; the others are added to `bad`."""
    for row in rows:
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            yield row


def number(text: Mapping[str, str], column: str) -> float:
    """Raises Unreadable."""
    try:
        return float(text[column])
    except ValueError:
        raise Unreadable(column, f"expected a number, found {text[column]!r}") from None
