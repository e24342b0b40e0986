"""The command `render`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from meshctl import catalogue as catalogues
from meshctl import credentials
from meshctl import render as rendering
from meshctl.catalogue import Catalogue
from meshctl.commands.options import ServicesOption
from meshctl.errors import CheckFailedError
from meshctl.principal import opened
from meshctl.render import edges, files, secrets, sources
from meshctl.settings import Settings
from meshctl.settings import load as load_settings

app = typer.Typer()


@app.command()
def render(
    services: ServicesOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Write below this (default the checkout).")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if stale.")] = False,
    secrets_folder: Annotated[
        Path | None, typer.Option("--secrets", help="Write the Secrets there, and nothing else.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="State folder whose secrets are taken.")
    ] = None,
) -> None:
    """Write what Kubernetes needs of the registrations: deploy/k8s, CODEOWNERS, the catalogue.

    With --services and --out nothing else of a checkout is taken: a department alone.
    """
    settings = _settings(services or (), out)
    known = catalogues.load(settings, services or ())
    if secrets_folder is not None:
        _write_secrets(known, secrets_folder, state)
        return
    root = (out or settings.root).resolve()
    for line in edges.unknown(known):
        typer.echo(f"meshctl: {line}", err=True)
    tree = rendering.tree(known, sources.read(settings.root, known))
    if check:
        problems = [*files.stale(root, tree)]
        for problem in problems:
            typer.echo(problem)
        if problems:
            raise CheckFailedError(f"{len(problems)} files are not as registered")
        typer.echo(f"{len(tree)} rendered files: none is stale")
        return
    changed, gone = files.write(root, tree)
    typer.echo(f"{len(tree)} files: {changed} written, {gone} removed")


def _settings(services: Sequence[Path], out: Path | None) -> Settings:
    """Those of the checkout, or of the folder that a department alone renders into."""
    return Settings(root=out.resolve()) if services and out else load_settings()


def _write_secrets(known: Catalogue, folder: Path, state: Path | None) -> None:
    _, stored = opened(state)
    stored.make()
    found = secrets.objects(known, credentials.of_everyone(stored, known))
    secrets.write(folder.resolve(), found)
    typer.echo(f"{len(found)} secrets in {folder}: apply them, and keep them out of the repository")
