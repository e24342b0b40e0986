"""SQL of heartbeats and presence. Every function works in the caller's transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from city_backbone.database import Connection

from cameras.estate import store
from cameras.estate.camera import Camera
from cameras.estate.presence import Presence, PresenceStatus, Rule, Watch


class Heard(NamedTuple):
    """A registered camera, as a heartbeat finds it."""

    retired: bool
    presence: Presence


async def lock(connection: Connection, camera_ids: Iterable[str]) -> dict[str, Heard]:
    """Those that are registered, their presence locked."""
    rows = await connection.execute(
        "select p.*, c.retired from camera_presence p join camera c using (camera_id)"
        " where p.camera_id = any(%b) order by p.camera_id for update of p",
        (list(camera_ids),),
    )
    return {
        row["camera_id"]: Heard(row["retired"], store.presence_from_row(row)) async for row in rows
    }


async def save(connection: Connection, presences: Mapping[str, Presence]) -> None:
    """In one statement; their rows are locked."""
    if not presences:
        return
    await connection.execute(
        "update camera_presence p set status = now.status, last_heard_at = now.last_heard_at,"
        " heard_since = now.heard_since, recent = now.recent"
        " from json_to_recordset(%s::json) as now (camera_id text, status text,"
        " last_heard_at timestamptz, heard_since timestamptz, recent timestamptz[])"
        " where p.camera_id = now.camera_id",
        (
            json.dumps(
                [
                    {
                        "camera_id": camera_id,
                        "status": presence.status,
                        "last_heard_at": _text(presence.last_heard_at),
                        "heard_since": _text(presence.heard_since),
                        "recent": [_text(time) for time in presence.recent],
                    }
                    for camera_id, presence in presences.items()
                ]
            ),
        ),
    )


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


async def lock_watch(connection: Connection, now: datetime) -> Watch | None:
    """Since when heartbeats are listened for; None when another replica judges just now."""
    rows = await connection.execute(
        "select coalesce(since, %(now)s) as since, coalesce(until, %(now)s) as until"
        " from presence_watch for update skip locked",
        {"now": now},
    )
    row = await rows.fetchone()
    return None if row is None else Watch(row["since"], row["until"])


async def save_watch(connection: Connection, watch: Watch) -> None:
    await connection.execute(
        "update presence_watch set since = %s, until = %s", (watch.since, watch.until)
    )


async def lock_due(
    connection: Connection, now: datetime, listening_since: datetime, rule: Rule, limit: int
) -> Sequence[Camera]:
    """Cameras in service that may have to be judged anew, their presence locked.

    The silent ones that are not offline, once silence can be judged, and those that are not
    online and were heard of often enough; without those that somebody works on.
    """
    rows = await connection.execute(
        f"select {store.COLUMNS} from {store.TABLES} where not c.retired"
        " and (%(judges_silence)s and p.status <> 'OFFLINE' and p.last_heard_at <= %(silent)s"
        " or p.status <> 'ONLINE' and p.last_heard_at > %(silent)s"
        " and p.last_heard_at - p.recent[cardinality(p.recent) - %(more)s] <= %(window)s)"
        " order by p.camera_id limit %(limit)s for update of p skip locked",
        {
            "judges_silence": rule.judges_silence(now, listening_since),
            "silent": now - rule.offline_after,
            "more": rule.online_heartbeats - 1,
            "window": rule.offline_after,
            "limit": limit,
        },
    )
    return [store.from_row(row) async for row in rows]


async def count(connection: Connection) -> dict[PresenceStatus, int]:
    """Cameras in service, by presence."""
    rows = await connection.execute(
        "select p.status, count(*) as cameras from camera_presence p join camera c"
        " using (camera_id) where not c.retired group by p.status"
    )
    counted = {PresenceStatus(row["status"]): row["cameras"] async for row in rows}
    return {status: counted.get(status, 0) for status in PresenceStatus}
