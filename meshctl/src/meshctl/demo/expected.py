"""What must come out, computed from the file alone and without any of the services' code."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meshctl.errors import MeshctlError

_COLUMNS = {
    "PM25": "초미세먼지",
    "PM10": "미세먼지",
    "O3": "오존",
    "NO2": "이산화탄소",  # the source's misnomer
    "CO": "일산화탄소",
    "SO2": "아황산가스",
}
_NONE = ("", "-")
_KST = timedelta(hours=9)
_HOUR = timedelta(hours=1)
# pollutant: advisory issue, lift; warning issue, back; consecutive hours (domain.md)
_LIMITS = {
    "PM10": (150.0, 100.0, 300.0, 150.0, 2),
    "PM25": (75.0, 35.0, 150.0, 75.0, 2),
    "O3": (0.12, 0.12, 0.30, 0.30, 1),
}

Hours = Mapping[datetime, Mapping[str, float]]
"""End of the hour, UTC, to the values of that hour by pollutant."""


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """A pollutant's alert goes to `level`: ADVISORY, WARNING or LIFTED."""

    at: datetime
    pollutant: str
    level: str


def read(path: Path) -> Hours:
    """The file's distinct hours; a row with a cell that is no number is none. Raises MeshctlError.

    Values are taken as they are: a file with values that `sensors` refuses does not add up here.
    """
    hours: dict[datetime, dict[str, float]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                day, _, clock = row["일시"].partition(" ")
                local = datetime.fromisoformat(day) + timedelta(hours=int(clock[:2]))
                cells = {name: row[column].strip() for name, column in _COLUMNS.items()}
                known = _numbers(cell for cell in cells.items() if cell[1] not in _NONE)
                if known:
                    hours.setdefault((local - _KST).replace(tzinfo=UTC), known)
    except (OSError, KeyError, ValueError) as error:
        raise MeshctlError(f"{path}: expected the Seoul hourly file: {error!r}") from error
    return dict(sorted(hours.items()))


def alerts(hours: Hours) -> Sequence[Change]:
    """Each change of each alert, in order of time: plain look-ups, hour after hour."""
    changes = []
    for pollutant, (issue, lift, warn, back, run) in _LIMITS.items():
        level = "LIFTED"
        for at, values in hours.items():
            value = values.get(pollutant)
            if value is None:
                continue
            recent = [hours.get(at - number * _HOUR, {}).get(pollutant) for number in range(run)]
            lowest = min((-1.0 if v is None else v) for v in recent)
            if level == "LIFTED":
                new = "WARNING" if lowest >= warn else "ADVISORY" if lowest >= issue else level
            elif value < lift:
                new = "LIFTED"
            elif level == "ADVISORY":
                new = "WARNING" if lowest >= warn else level
            else:
                new = "ADVISORY" if value < back else level
            if new != level:
                changes.append(Change(at, pollutant, new))
                level = new
    return sorted(changes)


def _numbers(cells: Iterable[tuple[str, str]]) -> dict[str, float]:
    try:
        return {name: float(cell) for name, cell in cells}
    except ValueError:
        return {}
