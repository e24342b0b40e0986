"""What a demo prints before its JSON line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from meshctl.demo.account import Stage


def show(stages: Sequence[Stage], title: str, *notes: str) -> None:
    """The stages, then each note on a line."""
    console = Console(stderr=False)
    table = Table("stage", "found", "lost", "duplicates", title=title)
    for stage in stages:
        table.add_row(stage.name, *(str(n) for n in (stage.found, stage.lost, stage.duplicates)))
    console.print(table)
    for note in notes:
        console.print(note)
