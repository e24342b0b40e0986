"""Writes dashboards/*.json for Grafana from panels/*.yaml: run `python dashboards.py`.

A department's file holds what only that department knows; department.yaml goes around it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from grafana import Panel, Row, written

HERE = Path(__file__).parent
TEMPLATE = "department"


def _panel(name: str, given: Mapping[str, Any]) -> Panel:
    shows = given["shows"]
    others = {
        key: value for key, value in given.items() if key not in ("shows", "steps", "steps_of")
    }
    return Panel(
        **others,
        shows={"": shows} if isinstance(shows, str) else shows,
        steps=given.get("steps_of", {}).get(name, given.get("steps")),
    )


def _rows(name: str, given: list[Mapping[str, Any]]) -> list[Row]:
    return [Row(row["title"], [_panel(name, panel) for panel in row["panels"]]) for row in given]


def _read(file: Path, department: str = "") -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(file.read_text().replace("<department>", department))
    return read


def rendered() -> dict[str, str]:
    """Text of each dashboard's file by its name."""
    texts = {}
    for file in sorted((HERE / "panels").glob("*.yaml")):
        name, given = file.stem, _read(file)
        if name == TEMPLATE:
            continue
        if given.get("template"):
            around = _read(file.with_stem(TEMPLATE), name)
            given["description"] = around["description"]
            given["variables"] = {**around["variables"], **given.get("variables", {})}
            given["rows"] = [*around["before"], *given["rows"], *around["after"]]
        texts[name] = written(
            name,
            given["title"],
            given["description"],
            given["variables"],
            _rows(name, given["rows"]),
        )
    return texts


def main() -> None:
    for name, text in rendered().items():
        (HERE / "dashboards" / f"{name}.json").write_text(text)


if __name__ == "__main__":
    main()
