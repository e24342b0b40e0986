"""Seoul's hourly air as the city publishes it, quirks and all: a CSV file becomes rows in UTC."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from meshctl.errors import SettingsError

TIME_COLUMN = "일시"
# The source heads nitrogen dioxide (이산화질소) as carbon dioxide (이산화탄소).
POLLUTANT_COLUMNS: Mapping[str, str] = {
    "초미세먼지": "PM25",
    "미세먼지": "PM10",
    "오존": "O3",
    "이산화탄소": "NO2",
    "이산화질소": "NO2",
    "일산화탄소": "CO",
    "아황산가스": "SO2",
}
_KST = timezone(timedelta(hours=9))
_TIME = re.compile(r"(\d{4})-(\d{2})-(\d{2}) (\d{2}):(\d{2})(?::00)?")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_MISSING = ("", "-")


@dataclass(frozen=True, slots=True)
class Row:
    """One hour: its end in UTC, and by pollutant the values that are not missing."""

    line: int
    measured_at: datetime
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that cannot be read, and why; it is left out whole."""

    line: int
    column: str
    problem: str


def parse(path: Path) -> Iterator[Row | BadRow]:
    """The rows in the order of the file, duplicates included; local times are Korea's.

    The file is UTF-8, with or without a byte order mark, or CP949; 24:00 is the end of its day.
    Raises SettingsError when it cannot be read or its header is another one.
    """
    with path.open(encoding=_encoding(path), newline="") as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        columns = {
            place: POLLUTANT_COLUMNS[name]
            for place, name in enumerate(header)
            if name in POLLUTANT_COLUMNS
        }
        if TIME_COLUMN not in header or not columns:
            raise SettingsError(
                f"{path}:1: expected the columns {TIME_COLUMN} and some of"
                f" {', '.join(POLLUTANT_COLUMNS)}; found {', '.join(header) or 'nothing'}"
            )
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield BadRow(reader.line_num, "", str(error))
                continue
            if cells:
                yield _row(reader.line_num, cells, header, columns)


def _encoding(path: Path) -> str:
    try:
        for encoding in ("utf-8-sig", "cp949"):
            try:
                with path.open(encoding=encoding) as file:
                    while file.read(1 << 20):
                        pass
            except UnicodeDecodeError:
                continue
            return encoding
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    raise SettingsError(f"{path}: expected text in UTF-8 or CP949")


def _row(
    line: int, cells: Sequence[str], header: Sequence[str], columns: Mapping[int, str]
) -> Row | BadRow:
    if len(cells) != len(header):
        return BadRow(line, "", f"expected {len(header)} cells, found {len(cells)}")
    time = cells[header.index(TIME_COLUMN)].strip()
    measured_at = _time(time)
    if measured_at is None:
        return BadRow(line, TIME_COLUMN, f"expected YYYY-MM-DD HH:MM up to 24:00, found {time!r}")
    values: dict[str, float] = {}
    for place, pollutant in columns.items():
        cell = cells[place].strip()
        if cell in _MISSING:
            continue
        if not _NUMBER.fullmatch(cell):
            return BadRow(line, header[place], f"expected a number, found {cell!r}")
        values[pollutant] = float(cell)
    if not values:
        return BadRow(line, "", "expected at least one value, all are missing")
    return Row(line, measured_at, values)


def _time(text: str) -> datetime | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute = (int(part) for part in match.groups())
    midnight_after = (hour, minute) == (24, 0)
    try:
        local = datetime(year, month, day, 0 if midnight_after else hour, minute, tzinfo=_KST)
        return (local + timedelta(days=midnight_after)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
