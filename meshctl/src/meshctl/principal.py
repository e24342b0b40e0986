"""Who a command acts as: the settings, the state folder and the environment it is given."""

from __future__ import annotations

from pathlib import Path

from meshctl import catalogue, credentials, environment
from meshctl.errors import NotRunningError
from meshctl.places import Local
from meshctl.settings import Settings
from meshctl.settings import load as load_settings
from meshctl.state import State, read_json


def opened(state: Path | None) -> tuple[Settings, State]:
    """Settings and state folder of a command."""
    settings = load_settings(state)
    if settings.state is None:
        raise NotRunningError("no state folder")
    return settings, State(settings.state)


def environment_of(name: str, state: Path | None) -> dict[str, str]:
    """The environment of a service or client of the stack on this state folder.

    Raises NotRunningError when none was ever started there, SettingsError for an unknown name.
    """
    settings, folder = opened(state)
    run = folder.read_run()
    known = catalogue.load(settings, run.folders if run else ())
    ports = read_json(folder.ports)
    if not ports:
        raise NotRunningError(f"no stack was ever started on {folder.folder}: `meshctl up` does")
    return environment.of(
        known.find(name), known, Local(ports, folder), credentials.of_everyone(folder, known)
    )
