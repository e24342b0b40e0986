"""What is watched, in PostgreSQL: read and written for a whole batch at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import msgspec
from city_backbone.database import Connection
from psycopg.rows import tuple_row

from cameras.alarms.watch import Watch

Key: TypeAlias = tuple[str, str]
"""Site and kind."""

_decoder = msgspec.msgpack.Decoder(Watch)
_encoder = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class Stored:
    """`last_offset`: up to which the detections' partition has its effect on it."""

    watch: Watch
    last_offset: int
    state: bytes


async def lock(connection: Connection, keys: Iterable[Key]) -> dict[Key, Stored]:
    """All of `keys`, new ones too; no other transaction has any of them meanwhile."""
    ordered = sorted(keys)
    found = await _select(connection, ordered)
    if missing := [key for key in ordered if key not in found]:
        found |= await _insert(connection, missing)
        # What another transaction has inserted meanwhile.
        if overtaken := [key for key in missing if key not in found]:
            found |= await _select(connection, overtaken)
    return found


async def save(connection: Connection, stored: Mapping[Key, Stored], now: datetime) -> None:
    """Write back what has changed; every one must be locked."""
    changed: list[tuple[Key, bytes, int]] = []
    for key, one in stored.items():
        state = _encoder.encode(one.watch)
        if state != one.state:
            changed.append((key, state, one.last_offset))
    if changed:
        await connection.execute(
            "update site_watch w set state = new.state, last_offset = new.last_offset,"
            " touched_at = %b from unnest(%b::text[], %b::text[], %b::bytea[], %b::bigint[])"
            " as new(site_id, kind, state, last_offset)"
            " where w.site_id = new.site_id and w.kind = new.kind",
            (
                now,
                *_columns([key for key, _, _ in changed]),
                [state for _, state, _ in changed],
                [last_offset for _, _, last_offset in changed],
            ),
        )


async def forget(connection: Connection, before: datetime) -> int:
    """Delete what has not changed since; returns how many."""
    deleted = await connection.execute("delete from site_watch where touched_at < %s", (before,))
    return deleted.rowcount


async def _select(connection: Connection, keys: Sequence[Key]) -> dict[Key, Stored]:
    async with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        await cursor.execute(
            "select w.site_id, w.kind, w.state, w.last_offset from site_watch w"
            " join unnest(%b::text[], %b::text[]) as asked(site_id, kind) using (site_id, kind)"
            " order by w.site_id, w.kind for update of w",
            _columns(keys),
        )
        return {
            (site_id, kind): Stored(
                _decoder.decode(state) if state else Watch(), last_offset, state
            )
            for site_id, kind, state, last_offset in await cursor.fetchall()
        }


async def _insert(connection: Connection, keys: Sequence[Key]) -> dict[Key, Stored]:
    """Those that are not there. A row idle for long was deleted; its alarms' numbers go on."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(
            "insert into site_watch as w (site_id, kind, state, last_offset, touched_at)"
            " select site_id, kind, ''::bytea, -1, now()"
            " from unnest(%b::text[], %b::text[]) as asked(site_id, kind)"
            " order by site_id, kind on conflict do nothing"
            " returning w.site_id, w.kind, (select coalesce(max(a.number), 0) from alarm a"
            " where a.site_id = w.site_id and a.kind = w.kind)",
            _columns(keys),
        )
        return {
            (site_id, kind): Stored(Watch(raised=raised), -1, b"")
            for site_id, kind, raised in await cursor.fetchall()
        }


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[str]]:
    return [site_id for site_id, _ in keys], [kind for _, kind in keys]
