"""The files of `meshctl import cameras`: CSV with a header, UTF-8, columns in any order."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from city.cameras.v1 import camera_pb2 as pb
from city.type.v1.position_pb2 import Position

from meshctl.errors import SettingsError

T = TypeVar("T", pb.Site, pb.Camera)

SITE_COLUMNS = ("site_id", "name", "purpose", "latitude", "longitude")
CAMERA_COLUMNS = (
    "camera_id",
    "site_id",
    "purpose",
    "latitude",
    "longitude",
    "heading_degrees",
    "field_of_view_degrees",
    "range_metres",
    "retention_days",
    "stream_address",
)


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


def parse_sites(file: Path) -> Iterator[Row[pb.Site] | BadRow]:
    """Raises SettingsError when the file or its header is wrong."""
    return _parse(file, SITE_COLUMNS, _site)


def parse_cameras(file: Path) -> Iterator[Row[pb.Camera] | BadRow]:
    """Raises SettingsError when the file or its header is wrong."""
    return _parse(file, CAMERA_COLUMNS, _camera)


class _Unreadable(Exception):
    def __init__(self, column: str, problem: str) -> None:
        super().__init__(column, problem)
        self.column = column
        self.problem = problem


def _parse(
    file: Path, columns: Sequence[str], read: Callable[[Mapping[str, str]], T]
) -> Iterator[Row[T] | BadRow]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
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
                    text = {name: (cells[name] or "").strip() for name in columns}
                    yield Row(line, read(text))
                except _Unreadable as error:
                    yield BadRow(file, line, error.column, error.problem)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from error


def _site(text: Mapping[str, str]) -> pb.Site:
    return pb.Site(
        site_id=text["site_id"],
        name=text["name"],
        purpose=_purpose(text),
        position=_position(text),
    )


def _camera(text: Mapping[str, str]) -> pb.Camera:
    return pb.Camera(
        camera_id=text["camera_id"],
        site_id=text["site_id"],
        purpose=_purpose(text),
        position=_position(text),
        heading_degrees=_number(text, "heading_degrees") if text["heading_degrees"] else None,
        field_of_view_degrees=_number(text, "field_of_view_degrees"),
        range_metres=_number(text, "range_metres"),
        retention_days=_days(text),
        stream_address=text["stream_address"],
    )


def _position(text: Mapping[str, str]) -> Position:
    return Position(latitude=_number(text, "latitude"), longitude=_number(text, "longitude"))


def _purpose(text: Mapping[str, str]) -> pb.Purpose.ValueType:
    name = f"PURPOSE_{text['purpose'].upper().replace('-', '_')}"
    if name not in pb.Purpose.keys()[1:]:
        raise _Unreadable(
            "purpose",
            "expected living-area-security, park, vehicle or child-protection,"
            f" found {text['purpose']!r}",
        )
    return pb.Purpose.Value(name)


def _number(text: Mapping[str, str], column: str) -> float:
    try:
        return float(text[column])
    except ValueError:
        raise _Unreadable(column, f"expected a number, found {text[column]!r}") from None


def _days(text: Mapping[str, str]) -> int:
    if not re.fullmatch(r"\d{1,5}", text["retention_days"], re.ASCII):
        raise _Unreadable(
            "retention_days", f"expected whole days, found {text['retention_days']!r}"
        )
    return int(text["retention_days"])
