"""The alarms that come of a run, in a form in which contenders can be compared."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from cameras.alarms import facts


class Outcome(NamedTuple):
    """An alarm as it is in the end; nothing of it depends on when or in what steps it was made."""

    site_id: str
    kind: str
    rule_id: str
    occurred_at: datetime
    witnesses: tuple[tuple[str, str], ...]
    """Camera and track, sorted."""


Alarms: TypeAlias = Mapping[str, Outcome]
"""By id."""


def tell(alarms: dict[str, Outcome], topic: str, data: Mapping[str, Any]) -> None:
    """Note what an event says of an alarm."""
    if topic == facts.ALARM_ESCALATED:
        return
    seen = tuple(sorted((one["camera_id"], one["track_id"]) for one in data["witnesses"]))
    if topic == facts.ALARM_RAISED:
        kind, rule_id = data["kind"], data["rule_id"]
    else:
        _, kind, rule_id, _, _ = alarms[data["alarm_id"]]
    alarms[data["alarm_id"]] = Outcome(data["site_id"], kind, rule_id, data["occurred_at"], seen)
