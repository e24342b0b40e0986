"""What was played and what must come of it: the file that `--played` writes, as JSON.

```
{"version": 1, "run": "19aab3f2c10", "seed": 1, "began": TIME, "ended": TIME, "background": 0.1,
 "scenes": [
  {"name": "fight", "title": "싸움: …", "site_ids": ["living-0002"],
   "window": {"first_micros": 1795228200000000, "last_micros": 1795228208000000},
   "sent": {"detections": 82, "repeats": 16, "refused": 0,
            "keys": [["living-0002-1", "FIGHT", "19aab3f2c10-0", 1795228200000000], …]},
   "acts": [{"act": "acknowledge", "site_id": …, "kind": …, "alarm_id": …, "done": true}, …],
   "expected": {
    "alarms": [{"site_id": "living-0002", "kind": "FIGHT", "rule_id": "fight",
                "status": "ESCALATED", "automatic": null, "witnesses": 2,
                "camera_ids": ["living-0002-1", "living-0002-3"],
                "occurred_micros": 1795228200000000}],
    "incidents": [{"kinds": ["fight"], "alarms": 1, "site_ids": ["living-0002"], "desks": ["112"],
                   "police_code": 1, "places": ["송산동 민락로데오거리"],
                   "context": {"카메라": {"all_of": [], "any_of": ["living-0002-1", …]}}}],
    "dispatches": [{"desk": "112", "incidents": 1}]}}]}
```
TIME is ISO 8601 with a zone, `_micros` microseconds since 1970 UTC. `keys` are camera, kind, track
and time of each detection that `cameras` accepted, once each, from which its id follows; `repeats`
are sent once more, `refused` are malformed and must be. A scene's alarms are all alarms of its
sites with a time within the window, and no others may be. `automatic` is null when either is right:
a late operator finds that it went by itself. `context` names items of the incident, the words that
all must be in it and those of which one must. The order of lists means nothing.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from loadtests.city.cameras.kinds import Kind

Status = Literal["RAISED", "ACKNOWLEDGED", "DISMISSED", "ESCALATED"]
Desk = Literal["112", "119"]
Act = Literal["acknowledge", "dismiss", "escalate"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExpectedAlarm(_Part):
    """One alarm, as it stands in the end."""

    site_id: str
    kind: Kind
    rule_id: str
    status: Status
    automatic: bool | None
    witnesses: int
    camera_ids: tuple[str, ...]
    occurred_micros: int


class Words(_Part):
    """What an item of an incident must say."""

    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()


class ExpectedIncident(_Part):
    """One incident; its place is one of `places`."""

    kinds: tuple[str, ...]
    alarms: int
    site_ids: tuple[str, ...]
    desks: tuple[Desk, ...]
    police_code: int | None
    places: tuple[str, ...]
    context: dict[str, Words]


class ExpectedDispatch(_Part):
    """How many incidents of the scene the desk's room is told of."""

    desk: Desk
    incidents: int


class Expected(_Part):
    """All that comes of a scene, and nothing else may."""

    alarms: tuple[ExpectedAlarm, ...] = ()
    incidents: tuple[ExpectedIncident, ...] = ()
    dispatches: tuple[ExpectedDispatch, ...] = ()


class Window(_Part):
    """First and last time seen."""

    first_micros: int
    last_micros: int


class Sent(_Part):
    """What went to `cameras`."""

    detections: int
    repeats: int
    refused: int
    keys: tuple[tuple[str, Kind, str, int], ...]


class Acted(_Part):
    """What the operator did; `done` is False when the alarm had gone on by itself before."""

    act: Act
    site_id: str
    kind: Kind
    alarm_id: str
    done: bool


class PlayedScene(_Part):
    """One scene."""

    name: str
    title: str
    site_ids: tuple[str, ...]
    window: Window
    sent: Sent
    acts: tuple[Acted, ...]
    expected: Expected


class Played(_Part):
    """The file."""

    version: Literal[1] = 1
    run: str
    seed: int
    began: AwareDatetime
    ended: AwareDatetime
    background: float
    scenes: tuple[PlayedScene, ...]
