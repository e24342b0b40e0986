"""Lots of the city come and change, with their bays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition
from psycopg.errors import UniqueViolation

from parking.lots import store_bays, store_lots
from parking.lots.lot import Lot, Published, lot_ids
from parking.occupancy.bay_states import BayStates
from parking.occupancy.store import mark_lots


@dataclass(frozen=True, slots=True)
class PublicLot:
    """A row of the data set; the lot has no id yet."""

    published: Published
    lot: Lot
    bays: int


class Importing:
    """Works in the caller's transaction."""

    def __init__(self, bay_states: BayStates, clock: Callable[[], datetime]) -> None:
        self._bay_states = bay_states
        self._clock = clock

    async def take(self, connection: Connection, given: Sequence[PublicLot]) -> list[str]:
        """All, or none; returns their ids, in the order given. Older data changes nothing.

        Raises FailedPrecondition naming the first whose id is an alley's, or whose bays' ids are.
        """
        await store_lots.lock_import(connection)
        known = await store_lots.known(connection, [one.published for one in given])
        ids = lot_ids([one.published for one in given], {one: known[one].lot_id for one in known})
        newer = {
            lot_id: one
            for lot_id, one in zip(ids, given, strict=True)
            if one.published not in known or not _older(one.lot, known[one.published])
        }
        saved = await store_lots.save(
            connection, [replace(one.lot, lot_id=lot_id) for lot_id, one in newer.items()]
        )
        for index, lot_id in enumerate(ids):
            if lot_id in newer and lot_id not in saved:
                raise FailedPrecondition(
                    "LOT_ID_TAKEN", f"lots[{index}].management_number: {lot_id} is an alley"
                )
        try:
            changed = await store_bays.set_public(
                connection, {lot_id: one.bays for lot_id, one in newer.items()}
            )
        except UniqueViolation:
            raise FailedPrecondition(
                "BAY_ID_TAKEN", "lots: an alley has a bay whose id a bay of these lots would get"
            ) from None
        now = self._clock()
        if changed.bay_ids:
            await self._bay_states.refresh(connection, changed.bay_ids, now)
        if changed.lot_ids:
            await mark_lots(connection, changed.lot_ids, now)
        return ids


def _older(lot: Lot, known: store_lots.Known) -> bool:
    return lot.data_date is not None and lot.data_date < known.data_date
