"""SQL of measurements by their ids, in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from city_backbone.database import Connection


@dataclass(frozen=True, slots=True)
class Known:
    """A measurement that is stored, and whose it is."""

    measurement_id: UUID
    person_id: UUID
    kiosk_id: str | None
    sealed: bytes


async def known(connection: Connection, measurement_ids: Sequence[UUID]) -> dict[UUID, Known]:
    found = await connection.execute(
        "select measurement_id, person_id, kiosk_id, sealed from measurement"
        " where measurement_id = any(%s)",
        (list(measurement_ids),),
    )
    return {row["measurement_id"]: Known(**row) async for row in found}
