"""The reading of a case opens its incident once, in whatever batches it comes."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from city_backbone.database import Database
from emergency.domain.acute import AcuteReading
from emergency.domain.incident import Position
from emergency.ledger import Ledger, incident_id
from emergency.readings import Readings
from emergency.rules import load_rules


def reading() -> AcuteReading:
    at = datetime.now(UTC)
    place = "조치원읍 행정복지센터"
    return AcuteReading(uuid4(), "k-1", place, Position(36.6, 127.3), "CRITICAL", at, at)


async def revisions(database: Database, *readings: AcuteReading) -> list[Any]:
    ids = [incident_id("health", one.case_id) for one in readings]
    async with database.transaction() as connection:
        rows = await connection.execute(
            "select revision, grade from incident_change where incident_id = any(%s)", (ids,)
        )
        return [tuple(row.values()) for row in await rows.fetchall()]


@pytest.mark.parametrize("batches", [[[0, 0, 1]], [[0], [0, 1]], [[0, 1], [1], [0]]])
async def test_once_in_whatever_batches(
    database: Database, ledger: Ledger, batches: list[list[int]]
) -> None:
    known = [reading(), reading()]
    readings = Readings(ledger, load_rules())
    for batch in batches:
        async with database.transaction() as connection:
            await readings.apply(connection, [known[number] for number in batch])
    assert await revisions(database, *known) == [(1, "URGENT")] * 2


async def test_the_first_reading_of_a_case_counts(database: Database, ledger: Ledger) -> None:
    one = reading()
    async with database.transaction() as connection:
        await Readings(ledger, load_rules()).apply(
            connection, [one, replace(one, severity="URGENT")]
        )
    assert await revisions(database, one) == [(1, "URGENT")]
