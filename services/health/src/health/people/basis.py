"""What the newest measurement of each code advised, as it is sealed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from city_backbone.errors import Unreadable

from health.assessment.rules import Level
from health.measuring.measurement import Code
from health.people.follow_up import Reading

FIELD = "follow-up-basis"


def packed(newest: Mapping[Code, Reading]) -> Mapping[str, Any]:
    return {
        code: [reading.taken_at.isoformat(), reading.level.name, reading.score]
        for code, reading in newest.items()
    }


def unpacked(content: Mapping[str, Any]) -> dict[Code, Reading]:
    """Raises Unreadable."""
    try:
        return {
            Code(code): Reading(datetime.fromisoformat(taken_at), Level[level], score)
            for code, (taken_at, level, score) in content.items()
        }
    except (KeyError, TypeError, ValueError):
        raise Unreadable("follow-up basis: not of this version") from None
