"""SQL of the part: states that are held, messages that were parked."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from city_backbone.database import Connection

from cameras.ingest.held import Due, HeldState, StateKey, first_second
from cameras.ingest.notification import Unusable, Why


async def lock(connection: Connection, camera_id: str) -> set[StateKey]:
    """The camera's held states, locked until the end of the transaction."""
    rows = await connection.execute(
        "select camera_id, topic, instance from held_state where camera_id = %s"
        " order by topic, instance for update",
        (camera_id,),
    )
    return {_key(row) async for row in rows}


async def hold(connection: Connection, states: Sequence[HeldState], now: datetime) -> None:
    """Begin states, or confirm those that are held with what they are now."""
    if not states:
        return
    await connection.execute(
        "insert into held_state (camera_id, topic, instance, kind, track_id, confidence,"
        " confirmed_at, emit_at)"
        " select *, %s, %s from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[],"
        " %s::float8[])"
        " on conflict (camera_id, topic, instance) do update set kind = excluded.kind,"
        " track_id = excluded.track_id, confidence = excluded.confidence,"
        " confirmed_at = excluded.confirmed_at",
        (
            now,
            first_second(now),
            *_columns([state.key for state in states]),
            [state.kind for state in states],
            [state.track_id for state in states],
            [state.confidence for state in states],
        ),
    )


async def confirm(connection: Connection, keys: Sequence[StateKey], now: datetime) -> None:
    """The camera says that they still go on; those that are not held stay so."""
    if keys:
        await connection.execute(
            "update held_state set confirmed_at = %s"
            " where (camera_id, topic, instance) in"
            " (select * from unnest(%s::text[], %s::text[], %s::text[]))",
            (now, *_columns(keys)),
        )


async def release(connection: Connection, keys: Sequence[StateKey]) -> int:
    """End states; how many of them were held."""
    if not keys:
        return 0
    done = await connection.execute(
        "delete from held_state where (camera_id, topic, instance) in"
        " (select * from unnest(%s::text[], %s::text[], %s::text[]))",
        _columns(keys),
    )
    return done.rowcount


async def due(connection: Connection, now: datetime, limit: int) -> Sequence[Due]:
    """States whose next second has come, locked; not those another replica is saying."""
    rows = await connection.execute(
        "select * from held_state where emit_at <= %s order by emit_at, camera_id limit %s"
        " for update skip locked",
        (now, limit),
    )
    return [
        Due(
            HeldState(_key(row), row["kind"], row["track_id"], row["confidence"]),
            row["confirmed_at"],
            row["emit_at"],
        )
        async for row in rows
    ]


async def said(connection: Connection, keys: Sequence[StateKey], until: datetime) -> None:
    """Every second up to `until` has been said of these."""
    if keys:
        await connection.execute(
            "update held_state set emit_at = %s where (camera_id, topic, instance) in"
            " (select * from unnest(%s::text[], %s::text[], %s::text[]))",
            (first_second(until), *_columns(keys)),
        )


async def park(
    connection: Connection,
    camera_id: str,
    messages: Mapping[tuple[str, Why], tuple[int, Unusable]],
    now: datetime,
    max_rows: int,
) -> None:
    """Count messages by topic and reason, with the first sample; new rows only up to `max_rows`.

    messages: by topic and reason, how many and one of them.
    """
    if not messages:
        return
    ordered = sorted(messages.items())
    await connection.execute(
        "insert into parked_notification as known"
        " (topic, camera_id, reason, first_seen, last_seen, count, sample)"
        " select topic, %(camera)s, reason, %(now)s, %(now)s, number, sample"
        " from unnest(%(topics)s::text[], %(reasons)s::text[], %(numbers)s::bigint[],"
        " %(samples)s::text[]) as parked (topic, reason, number, sample)"
        " where (select count(*) from parked_notification) < %(max_rows)s"
        " or exists (select from parked_notification before where before.topic = parked.topic"
        " and before.camera_id = %(camera)s and before.reason = parked.reason)"
        " on conflict (topic, camera_id, reason) do update set"
        " last_seen = greatest(known.last_seen, excluded.last_seen),"
        " count = known.count + excluded.count",
        {
            "camera": camera_id,
            "now": now,
            "topics": [topic for (topic, _), _ in ordered],
            "reasons": [str(why) for (_, why), _ in ordered],
            "numbers": [number for _, (number, _) in ordered],
            "samples": [unusable.sample for _, (_, unusable) in ordered],
            "max_rows": max_rows,
        },
    )


async def sweep(connection: Connection, before: datetime) -> None:
    """Forget what was parked and has not been seen since."""
    await connection.execute("delete from parked_notification where last_seen < %s", (before,))


def _key(row: Mapping[str, str]) -> StateKey:
    return StateKey(row["camera_id"], row["topic"], row["instance"])


def _columns(keys: Sequence[StateKey]) -> tuple[list[str], list[str], list[str]]:
    return (
        [key.camera_id for key in keys],
        [key.topic for key in keys],
        [key.instance for key in keys],
    )
