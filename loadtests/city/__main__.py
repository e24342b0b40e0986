"""Play the modelled city into its departments until SIGTERM, or scenes until they are played."""

import asyncio
import signal
import sys
from collections import Counter
from typing import Protocol

import structlog
from city_backbone import logging

from loadtests.city.departments import Departments, departments
from loadtests.city.errors import CityError, SceneError, SettingsError
from loadtests.city.scenes.run import play_scenes
from loadtests.city.settings import CitySettings
from loadtests.city.tasks import tasks
from loadtests.options import OptionError, parse

_log = structlog.get_logger(__name__)


class _Part(Protocol):
    outcome: Counter[str]

    async def run(self) -> None: ...


async def play(settings: CitySettings) -> None:
    """Play until SIGTERM or SIGINT, or until the scenes are played. Raises CityError."""
    playing = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if playing is not None:
            loop.add_signal_handler(number, playing.cancel)
    async with departments(settings) as city:
        if settings.scenes is not None:
            try:
                await play_scenes(city, settings)
            except asyncio.CancelledError as error:
                raise SceneError("stopped before its scenes were played") from error
        else:
            await _live(city, settings)


async def _live(city: Departments, settings: CitySettings) -> None:
    parts: dict[str, _Part] = {}
    if settings.air:
        parts["air"] = city.air()
    if settings.cameras:
        parts["cameras"] = city.cameras(settings.cameras_rate)
        parts["operators"] = city.operators()
    if settings.parking:
        parts["parking"] = city.parking()
    if settings.health:
        parts["health"] = city.health()
    if not parts:
        raise SettingsError(
            "--no-air --no-cameras --no-parking --no-health: expected something to play"
        )
    try:
        async with tasks() as group:
            for part in parts.values():
                group.create_task(part.run())
    except asyncio.CancelledError:
        for name, part in parts.items():
            _log.info("city-stopped", part=name, **part.outcome)


def main(arguments: list[str]) -> int:
    """Exit code: 0 stopped or played, 1 refused or not played, 2 wrong settings."""
    try:
        settings = parse(CitySettings, arguments)
        logging.configure("loadtests")
        asyncio.run(play(settings))
    except (OptionError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    except CityError as error:
        print(f"the city cannot be played: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
