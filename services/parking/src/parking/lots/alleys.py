"""Alleys whose bays residents share, and what their owners offer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from city_backbone.geo import Point

from parking.ledger.books import Books
from parking.lots import store, store_bays, store_lots
from parking.lots.availability import Availability
from parking.lots.lot import Lot
from parking.lots.terms import LotKind, Terms
from parking.occupancy.store import mark_lots
from parking.vault.store import has_owner

MAX_BAYS = 10_000


@dataclass(frozen=True, slots=True)
class Offer:
    """What an owner asks for."""

    bay_id: str
    lot_id: str
    owner_id: UUID
    position: Point
    availability: Availability
    unit_fee_won: int


class Alleys:
    """Works in the caller's transaction."""

    def __init__(self, books: Books, clock: Callable[[], datetime]) -> None:
        self._books = books
        self._clock = clock

    async def register(self, connection: Connection, lot: Lot) -> store_lots.Standing:
        """New, or changed; offers that stand keep their price until they are made again.

        Raises FailedPrecondition: NO_SPLIT_RULE, or LOT_ID_TAKEN when it is a lot of the city.
        """
        await self._books.rule(connection, lot.scheme, self._clock())
        if not await store_lots.save(connection, [lot]):
            raise FailedPrecondition("LOT_ID_TAKEN", f"lot_id: {lot.lot_id} is a lot of the city")
        saved = await store_lots.find(connection, lot.lot_id)
        if saved is None:
            raise NotFound("lot", lot.lot_id)
        return saved

    async def offer(self, connection: Connection, offer: Offer) -> Terms:
        """The bay's new terms; what is booked on the old ones stands.

        Raises NotFound for the lot, FailedPrecondition (UNKNOWN_OWNER, NOT_SHARED,
        BAY_OF_ANOTHER_LOT), InvalidArgument for a price beyond the lot's limits, and
        PermissionDenied (OTHER_OWNER).
        """
        lot = await store_lots.lock(connection, offer.lot_id)
        if lot is None:
            raise NotFound("lot", offer.lot_id)
        if lot.kind is not LotKind.SHARED:
            raise FailedPrecondition("NOT_SHARED", f"lot_id: {lot.lot_id} is a lot of the city")
        if not lot.min_unit_fee_won <= offer.unit_fee_won <= lot.max_unit_fee_won:
            raise InvalidArgument(
                "unit_fee_won",
                f"expected {lot.min_unit_fee_won} to {lot.max_unit_fee_won}, the lot's limits,"
                f" got {offer.unit_fee_won}",
            )
        if not await has_owner(connection, offer.owner_id):
            raise FailedPrecondition("UNKNOWN_OWNER", "owner_id: expected a registered owner")
        owned = await store_bays.lock_owned(connection, offer.bay_id)
        if owned is None:
            await self._add(connection, offer)
        elif owned.lot_id != offer.lot_id:
            raise FailedPrecondition(
                "BAY_OF_ANOTHER_LOT", f"bay_id: {offer.bay_id} is a bay of another lot"
            )
        elif owned.owner_id != offer.owner_id:
            raise PermissionDenied("OTHER_OWNER", f"bay_id: {offer.bay_id} is another owner's")
        await store_bays.set_offer(
            connection, offer.bay_id, offer.position, offer.availability, offer.unit_fee_won
        )
        return (await store.terms(connection, [offer.bay_id]))[offer.bay_id]

    async def _add(self, connection: Connection, offer: Offer) -> None:
        number = await store_bays.next_number(connection, offer.lot_id)
        if number > MAX_BAYS:
            raise FailedPrecondition("LOT_FULL", f"lot_id: expected at most {MAX_BAYS} bays")
        if not await store_bays.add_shared(
            connection, offer.bay_id, offer.lot_id, number, offer.position, offer.owner_id
        ):
            raise Aborted("BAY_TAKEN", f"bay_id: {offer.bay_id} was just offered in another lot")
        await mark_lots(connection, [offer.lot_id], self._clock())
