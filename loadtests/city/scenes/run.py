"""All scenes asked for, at once, over a background; and the file that tells of them."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import structlog

from loadtests.city.departments import Departments
from loadtests.city.errors import SceneError, SettingsError
from loadtests.city.scenes.outcome import Played, PlayedScene
from loadtests.city.settings import CitySettings
from loadtests.city.tasks import tasks

_log = structlog.get_logger(__name__)


async def play_scenes(city: Departments, settings: CitySettings) -> Played:
    """Play them and write the file of `--played`. Raises CityError; then there is no file."""
    if settings.played is None or not settings.played.parent.is_dir():
        raise SettingsError("--played (LOADTESTS_PLAYED): expected a file in a folder that exists")
    began = datetime.now(UTC)
    run = f"{round(began.timestamp() * 1000):x}"
    cameras = city.cameras(settings.background)
    await cameras.register()
    async with tasks() as group:
        background = []
        if settings.background > 0:
            background = [
                group.create_task(part)
                for part in (cameras.beat(), cameras.detect(), city.operators().run())
            ]
        scenes = await _all(city, settings, run)
        for task in background:
            task.cancel()
    played = Played(
        run=run,
        seed=settings.seed,
        began=began,
        ended=datetime.now(UTC),
        background=settings.background,
        scenes=scenes,
    )
    await asyncio.to_thread(_write, settings.played, played)
    _log.info("scenes-played", run=run, scenes=len(scenes), background=dict(cameras.outcome))
    return played


async def _all(city: Departments, settings: CitySettings, run: str) -> tuple[PlayedScene, ...]:
    """Every scene to its end, so that all that could not be played are told of."""
    player = city.scenes()
    names = settings.scene_names()
    results = await asyncio.gather(
        *(player.play(name, run) for name in names), return_exceptions=True
    )
    failures = [result for result in results if isinstance(result, BaseException)]
    if unexpected := [one for one in failures if not isinstance(one, SceneError)]:
        raise unexpected[0]
    if failures:
        raise SceneError("; ".join(str(one) for one in failures))
    return tuple(result for result in results if isinstance(result, PlayedScene))


def _write(file: Path, played: Played) -> None:
    """Whole or not at all."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(played.model_dump_json(indent=1) + "\n", encoding="utf-8")
    part.replace(file)
