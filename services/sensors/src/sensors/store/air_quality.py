"""The newest assessed hour of each station."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from city_backbone.database import Connection

from sensors.domain.cai import Assessment, Grade, PollutantIndex, SubIndex
from sensors.domain.pollutant import Pollutant

# Held from drawing a change number to the commit, so that numbers appear in order.
_CHANGE_LOCK = 0x616972
_SELECT = (
    "select q.station_id, s.dong, s.position[1] as latitude, s.position[0] as longitude,"
    " q.hour_end, q.revision, q.index, q.grade, q.dominant_pollutant, q.pollutants,"
    " q.completeness, q.change, c.silent_since is not null as silent"
    " from air_quality q join station s using (station_id)"
    " join station_contact c using (station_id)"
)


@dataclass(frozen=True, slots=True)
class AssessedHour:
    """What the stream found out about a station's hour."""

    station_id: str
    hour_end: datetime
    revision: int
    assessment: Assessment
    completeness: float


@dataclass(frozen=True, slots=True)
class AirQuality:
    """An assessed hour with what is known of its station."""

    hour: AssessedHour
    dong: str
    latitude: float
    longitude: float
    silent: bool
    change: int


async def save(connection: Connection, hours: Sequence[AssessedHour]) -> None:
    """Keep the newest hour of each station; must be the transaction's last statement."""
    newest: dict[str, AssessedHour] = {}
    for hour in sorted(hours, key=lambda hour: (hour.hour_end, hour.revision)):
        newest[hour.station_id] = hour
    rows = [newest[station_id] for station_id in sorted(newest)]
    await connection.execute("select pg_advisory_xact_lock(%s)", (_CHANGE_LOCK,))
    await connection.execute(
        "insert into air_quality as q (station_id, hour_end, revision, index, grade,"
        " dominant_pollutant, pollutants, completeness, change)"
        " select station_id, hour_end, revision, index, grade, dominant_pollutant,"
        " pollutants::jsonb, completeness, nextval('air_quality_change')"
        " from unnest(%b::text[], %b::timestamptz[], %b::int[], %b::int[], %b::text[], %b::text[],"
        " %b::text[], %b::float8[]) as n(station_id, hour_end, revision, index, grade,"
        " dominant_pollutant, pollutants, completeness)"
        " on conflict (station_id) do update set hour_end = excluded.hour_end,"
        " revision = excluded.revision, index = excluded.index, grade = excluded.grade,"
        " dominant_pollutant = excluded.dominant_pollutant, pollutants = excluded.pollutants,"
        " completeness = excluded.completeness, change = excluded.change"
        " where (excluded.hour_end, excluded.revision) > (q.hour_end, q.revision)",
        (
            [row.station_id for row in rows],
            [row.hour_end for row in rows],
            [row.revision for row in rows],
            [row.assessment.index for row in rows],
            [row.assessment.grade.value for row in rows],
            [row.assessment.dominant for row in rows],
            [json.dumps(_pack(row.assessment.pollutants)) for row in rows],
            [row.completeness for row in rows],
        ),
    )


async def find(connection: Connection, station_id: str) -> AirQuality | None:
    rows = await connection.execute(f"{_SELECT} where q.station_id = %s", (station_id,))
    row = await rows.fetchone()
    return None if row is None else _from_row(row)


async def inside(
    connection: Connection,
    south_west: tuple[float, float],
    north_east: tuple[float, float],
    limit: int,
) -> Sequence[AirQuality]:
    """Of stations in service inside a box; corners are (latitude, longitude) in degrees."""
    rows = await connection.execute(
        f"{_SELECT} where s.position <@ box(point(%s, %s), point(%s, %s)) and not s.retired"
        " order by q.station_id limit %s",
        (south_west[1], south_west[0], north_east[1], north_east[0], limit),
    )
    return [_from_row(row) async for row in rows]


async def changed(
    connection: Connection, dong: str, after: int, limit: int
) -> Sequence[AirQuality]:
    """In the order of their changes, those after `after`; everywhere when dong is empty."""
    rows = await connection.execute(
        f"{_SELECT} where q.change > %s and (%s = '' or s.dong = %s) order by q.change limit %s",
        (after, dong, dong, limit),
    )
    return [_from_row(row) async for row in rows]


def _pack(pollutants: Sequence[PollutantIndex]) -> list[list[Any]]:
    return [
        [
            assessed.pollutant,
            assessed.hourly_mean,
            assessed.sub_index and astuple(assessed.sub_index),
        ]
        for assessed in pollutants
    ]


def _unpack(name: str, hourly_mean: int, found: Sequence[Any] | None) -> PollutantIndex:
    sub_index = None if found is None else SubIndex(found[0], found[1], Grade(found[2]))
    return PollutantIndex(Pollutant(name), hourly_mean, sub_index)


def _from_row(row: Mapping[str, Any]) -> AirQuality:
    dominant = row["dominant_pollutant"]
    return AirQuality(
        hour=AssessedHour(
            station_id=row["station_id"],
            hour_end=row["hour_end"],
            revision=row["revision"],
            assessment=Assessment(
                index=row["index"],
                grade=Grade(row["grade"]),
                dominant=None if dominant is None else Pollutant(dominant),
                pollutants=tuple(_unpack(*packed) for packed in row["pollutants"]),
            ),
            completeness=row["completeness"],
        ),
        dong=row["dong"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        silent=row["silent"],
        change=row["change"],
    )
