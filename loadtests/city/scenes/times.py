"""When a scene may begin. Pure; microseconds since 1970 UTC."""

from datetime import UTC, datetime, timedelta, timezone

from loadtests.city.errors import SceneError
from loadtests.city.scenes.catalogue import Scene
from loadtests.city.scenes.script import MICROS

QUIET_MICROS = 200 * MICROS
"""Between two playings on a stage: longer than any witness time and emergency's merging."""

_SEOUL = timezone(timedelta(hours=9))
_FIRST_SECOND = 7 * 3600 + 10 * 60
_LAST_SECOND = 18 * 3600 + 50 * 60
_LONGEST_BREAK = 3 * 86_400.0


def start(scene: Scene, now: int, newest: int | None) -> int:
    """When what is seen begins, given the stage's newest alarm; may lie ahead: wait until then.

    Raises SceneError when the last school day has no room left.
    """
    quiet = newest + QUIET_MICROS if newest is not None else 0
    if scene.school_hours:
        return _school_time(now, quiet)
    return max(now - round(scene.lead * MICROS), quiet)


def begin(scene: Scene, start: int) -> int:
    """When sending begins."""
    return start + round(scene.lead * MICROS)


def _school_time(now: int, quiet: int) -> int:
    """A time on the last school day (Monday to Friday, ASSUMPTION) that is over.

    The later now is, the later: times of one stage only go on.
    """
    local = datetime.fromtimestamp(now / MICROS, UTC).astimezone(_SEOUL)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    while day.weekday() > 4:
        day -= timedelta(days=1)
    passed = (local - day - timedelta(days=1)).total_seconds() / _LONGEST_BREAK
    second = _FIRST_SECOND + passed * (_LAST_SECOND - _FIRST_SECOND)
    found = max(round((day + timedelta(seconds=second)).timestamp() * MICROS), quiet)
    if found > round((day + timedelta(seconds=_LAST_SECOND)).timestamp() * MICROS):
        raise SceneError("played too often: the last school day's school hours are used up")
    return found
