"""Alert states of stations, and alerts of areas."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from city_backbone.database import Connection

from sensors.domain.alert import HourMean, Level, StationAlert
from sensors.domain.area import Alert, Change
from sensors.domain.pollutant import Pollutant

StateKey: TypeAlias = tuple[str, Pollutant]
AreaKey: TypeAlias = tuple[str, Pollutant]
_STATE = (
    "station_id, pollutant, level, last_hour_end, last_concentration, last_revision,"
    " level_before, before_hour_end, before_concentration, before_revision"
)


async def states(
    connection: Connection, station_ids: Iterable[str]
) -> dict[StateKey, StationAlert]:
    rows = await connection.execute(
        f"select {_STATE} from station_alert_state where station_id = any(%s)",
        (list(station_ids),),
    )
    return {
        (row["station_id"], Pollutant(row["pollutant"])): StationAlert(
            Level(row["level"]),
            _hour(row, "last"),
            Level(row["level_before"]),
            _hour(row, "before"),
        )
        async for row in rows
    }


def _hour(row: Mapping[str, Any], which: str) -> HourMean | None:
    end = row[f"{which}_hour_end"]
    if end is None:
        return None
    return HourMean(end, row[f"{which}_concentration"], row[f"{which}_revision"])


async def save_states(connection: Connection, changed: Mapping[StateKey, StationAlert]) -> None:
    rows = [
        (
            station_id,
            pollutant.value,
            int(state.level),
            *_columns(state.last),
            int(state.level_before),
            *_columns(state.before),
        )
        for (station_id, pollutant), state in changed.items()
    ]
    await connection.execute(
        f"insert into station_alert_state ({_STATE}) select * from unnest(%b::text[], %b::text[],"
        " %b::int[], %b::timestamptz[], %b::bigint[], %b::int[],"
        " %b::int[], %b::timestamptz[], %b::bigint[], %b::int[])"
        " on conflict (station_id, pollutant) do update set level = excluded.level,"
        " last_hour_end = excluded.last_hour_end,"
        " last_concentration = excluded.last_concentration,"
        " last_revision = excluded.last_revision, level_before = excluded.level_before,"
        " before_hour_end = excluded.before_hour_end,"
        " before_concentration = excluded.before_concentration,"
        " before_revision = excluded.before_revision",
        [list(column) for column in zip(*rows, strict=True)],
    )


def _columns(hour: HourMean | None) -> tuple[datetime | None, int | None, int | None]:
    return (
        (None, None, None) if hour is None else (hour.hour_end, hour.concentration, hour.revision)
    )


async def forget_states(
    connection: Connection, station_id: str, pollutants: Iterable[Pollutant]
) -> None:
    """The station no longer measures them here."""
    await connection.execute(
        "delete from station_alert_state where station_id = %s and pollutant = any(%s)",
        (station_id, list(pollutants)),
    )


async def raised_areas(connection: Connection, dongs: Iterable[str]) -> set[AreaKey]:
    """The areas of these neighbourhoods where an alert stands. Locks nothing."""
    rows = await connection.execute(
        "select dong, pollutant from area where level > 0 and dong = any(%s)", (list(dongs),)
    )
    return {(row["dong"], Pollutant(row["pollutant"])) async for row in rows}


async def lock_areas(
    connection: Connection, areas: Iterable[AreaKey]
) -> dict[AreaKey, Alert | None]:
    """Each area with the alert that stands there. Taken after stations are locked, never before."""
    keys = sorted(areas)
    dongs, pollutants = [dong for dong, _ in keys], [pollutant.value for _, pollutant in keys]
    rows = await connection.execute(
        "select a.dong, a.pollutant, a.alert_id from area a"
        " join unnest(%b::text[], %b::text[]) as wanted(dong, pollutant) using (dong, pollutant)"
        " order by a.dong, a.pollutant for update of a",
        (dongs, pollutants),
    )
    found = {(row["dong"], Pollutant(row["pollutant"])): row["alert_id"] async for row in rows}
    standing = await _with_changes(
        connection, "a.alert_id = any(%s)", ([key for key in found.values() if key],)
    )
    by_id = {alert.alert_id: alert for alert in standing}
    return {area: by_id.get(alert_id) for area, alert_id in found.items()}


async def station_levels(
    connection: Connection, areas: Iterable[AreaKey], except_stations: Iterable[str]
) -> dict[AreaKey, dict[str, Level]]:
    """Raised levels by area and station, without silent and retired stations and those excepted."""
    keys = sorted(areas)
    rows = await connection.execute(
        "select s.dong, a.pollutant, a.station_id, a.level from station s"
        " join unnest(%b::text[], %b::text[]) as wanted(dong, pollutant) on wanted.dong = s.dong"
        " join station_alert_state a on a.station_id = s.station_id"
        " and a.pollutant = wanted.pollutant"
        " join station_contact c on c.station_id = s.station_id"
        " where a.level > 0 and not s.retired and c.silent_since is null"
        " and s.station_id <> all(%s)",
        (
            [dong for dong, _ in keys],
            [pollutant.value for _, pollutant in keys],
            list(except_stations),
        ),
    )
    levels: dict[AreaKey, dict[str, Level]] = {area: {} for area in keys}
    async for row in rows:
        area = (row["dong"], Pollutant(row["pollutant"]))
        levels[area][row["station_id"]] = Level(row["level"])
    return levels


async def issued(
    connection: Connection, areas: Iterable[AreaKey], hours: Iterable[datetime]
) -> dict[tuple[AreaKey, datetime], int]:
    """How many alerts of these areas were issued by each of these hours."""
    rows = await connection.execute(
        "select dong, pollutant, issued_at, count(*) as alerts from alert"
        " where dong = any(%s) and issued_at = any(%s) group by dong, pollutant, issued_at",
        (sorted({dong for dong, _ in areas}), list(hours)),
    )
    return {
        ((row["dong"], Pollutant(row["pollutant"])), row["issued_at"]): row["alerts"]
        async for row in rows
    }


async def save_alerts(connection: Connection, changed: Sequence[Alert]) -> None:
    """Write changed alerts and what stands in their areas, the newest last."""
    await connection.execute(
        "insert into alert (alert_id, dong, pollutant, level, issued_at, changed_at, sequence,"
        " rule_version) select * from unnest(%b::uuid[], %b::text[], %b::text[], %b::int[],"
        " %b::timestamptz[], %b::timestamptz[], %b::int[], %b::text[])"
        " on conflict (alert_id) do update set level = excluded.level,"
        " changed_at = excluded.changed_at, sequence = excluded.sequence",
        (
            [alert.alert_id for alert in changed],
            [alert.dong for alert in changed],
            [alert.pollutant.value for alert in changed],
            [int(alert.level) for alert in changed],
            [alert.issued_at for alert in changed],
            [alert.changed_at for alert in changed],
            [alert.sequence for alert in changed],
            [alert.rule_version for alert in changed],
        ),
    )
    changes = [(alert.alert_id, change) for alert in changed for change in alert.changes]
    await connection.execute(
        "insert into alert_change (alert_id, sequence, level, changed_at)"
        " select * from unnest(%b::uuid[], %b::int[], %b::int[], %b::timestamptz[])"
        " on conflict do nothing",
        (
            [alert_id for alert_id, _ in changes],
            [change.sequence for _, change in changes],
            [int(change.level) for _, change in changes],
            [change.changed_at for _, change in changes],
        ),
    )
    newest = {(alert.dong, alert.pollutant): alert for alert in changed}
    await connection.execute(
        "update area a set level = n.level, alert_id = n.alert_id"
        " from unnest(%b::text[], %b::text[], %b::int[], %b::uuid[])"
        " as n(dong, pollutant, level, alert_id)"
        " where a.dong = n.dong and a.pollutant = n.pollutant",
        (
            [dong for dong, _ in newest],
            [pollutant.value for _, pollutant in newest],
            [int(alert.level) for alert in newest.values()],
            [alert.alert_id if alert.level else None for alert in newest.values()],
        ),
    )


async def page(
    connection: Connection,
    dong: str,
    active_only: bool,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Alert]:
    """Newest first, those after `before` in that order; all neighbourhoods when dong is empty."""
    issued_at, alert_id = before or (None, None)
    return await _with_changes(
        connection,
        "(%s = '' or a.dong = %s) and (not %s or a.level > 0)"
        " and (%s::timestamptz is null or (a.issued_at, a.alert_id) < (%s, %s))",
        (dong, dong, active_only, issued_at, issued_at, alert_id),
        limit,
    )


async def _with_changes(
    connection: Connection, where: str, parameters: Sequence[object], limit: int | None = None
) -> Sequence[Alert]:
    rows = await connection.execute(
        "select a.alert_id, a.dong, a.pollutant, a.level, a.issued_at, a.rule_version,"
        " (select array_agg(c.sequence order by c.sequence) from alert_change c"
        " where c.alert_id = a.alert_id) as sequences,"
        " (select array_agg(c.level order by c.sequence) from alert_change c"
        " where c.alert_id = a.alert_id) as levels,"
        " (select array_agg(c.changed_at order by c.sequence) from alert_change c"
        " where c.alert_id = a.alert_id) as times"
        f" from alert a where {where} order by a.issued_at desc, a.alert_id desc limit %s",
        (*parameters, limit),
    )
    return [
        Alert(
            alert_id=row["alert_id"],
            dong=row["dong"],
            pollutant=Pollutant(row["pollutant"]),
            level=Level(row["level"]),
            issued_at=row["issued_at"],
            rule_version=row["rule_version"],
            changes=tuple(
                Change(sequence, Level(level), changed_at)
                for sequence, level, changed_at in zip(
                    row["sequences"], row["levels"], row["times"], strict=True
                )
            ),
        )
        async for row in rows
    ]
