"""`meshctl apply` to what compose runs: from within its network, or from the host."""

from __future__ import annotations

from collections.abc import Callable

from meshctl import applying, catalogue, credentials
from meshctl.composing.network import Inside
from meshctl.credentials import REGISTRY
from meshctl.errors import SettingsError
from meshctl.places import Local
from meshctl.settings import Settings
from meshctl.state import State, read_json

Say = Callable[[str], None]


async def apply_inside(settings: Settings, state: State, say: Say, *, with_schemas: bool) -> None:
    """As the one-shot container does it, which is given passwords but makes none.

    Raises ApplyError, and SettingsError when somebody registered has no password yet.
    """
    known = catalogue.load(settings)
    given = credentials.stored(state)
    wanted = {registration.service for registration in known} | {REGISTRY}
    if missing := sorted(wanted - set(given.kafka)):
        raise SettingsError(f"no password for {', '.join(missing)}: run `meshctl secrets` again")
    await applying.everything(known, Inside(known), given, say, with_schemas=with_schemas)


async def apply(settings: Settings, state: State, say: Say, *, with_schemas: bool) -> None:
    """From the host, by the ports that are published on its loopback. Raises ApplyError."""
    known = catalogue.load(settings)
    given = credentials.of_everyone(state, known)
    places = Local(read_json(state.ports), state)
    await applying.everything(known, places, given, say, with_schemas=with_schemas)
