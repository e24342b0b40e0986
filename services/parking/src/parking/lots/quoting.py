"""What a stay would cost."""

from datetime import timedelta

from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition, NotFound

from parking.interval import Interval
from parking.lots import bill, store, store_lots
from parking.lots.bill import Bill
from parking.lots.terms import LotKind


async def quote_lot(connection: Connection, lot_id: str, stay: Interval) -> Bill:
    """Raises NotFound, FailedPrecondition (CONTRACT_ONLY, or PRICED_BY_BAY for an alley)."""
    standing = await store_lots.find(connection, lot_id)
    if standing is None:
        raise NotFound("lot", lot_id)
    if standing.lot.kind is LotKind.SHARED:
        raise FailedPrecondition("PRICED_BY_BAY", f"lot_id: {lot_id} has a price for each bay")
    return bill.price_of(standing.lot.fees, standing.lot.hours, stay)


async def quote_bay(connection: Connection, bay_id: str, stay: Interval) -> Bill:
    """Whether or not it can be booked then. Raises NotFound, FailedPrecondition CONTRACT_ONLY."""
    found = await store.terms(connection, [bay_id])
    if bay_id not in found:
        raise NotFound("bay", bay_id)
    return bill.price_of(found[bay_id].fees, found[bay_id].hours, stay)


def minutes(charged: timedelta) -> int:
    """Begun ones whole."""
    return -(-charged // timedelta(minutes=1))
