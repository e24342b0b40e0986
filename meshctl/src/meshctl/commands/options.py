"""Options that many commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StateOption = Annotated[
    Path | None, typer.Option("--state", help="State folder (default .citymesh, CITYMESH_STATE).")
]
ServicesOption = Annotated[
    list[Path] | None,
    typer.Option("--services", help="Folder of services; repeatable (default services/)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
