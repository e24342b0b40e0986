"""That the entries of a booking are in the tree under their day's seal."""

from dataclasses import dataclass
from uuid import UUID

from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition, NotFound

from parking.ledger import days, entries
from parking.ledger.posting import owner_account
from parking.ledger.seal import Seal


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry's place in its day's tree, and the day's seal."""

    place: entries.Place
    seal: Seal


async def prove(connection: Connection, booking_id: UUID, owner_id: UUID | None) -> list[Proof]:
    """From the entries as they stand now: what was altered since does not fit its seal.

    Only the owner's entries when one is given. Raises NotFound, or FailedPrecondition (NOT_SEALED)
    while a day of the booking is open.
    """
    account = owner_account(owner_id) if owner_id else None
    asked = await entries.of_booking(connection, booking_id, account)
    if not asked:
        raise NotFound("entries of booking", str(booking_id))
    seals = await days.seals(connection, asked)
    if open_days := sorted(asked.keys() - seals.keys()):
        raise FailedPrecondition("NOT_SEALED", f"{open_days[0]} is not sealed yet")
    return [
        Proof(place, seals[day])
        for day, entry_ids in asked.items()
        for place in await entries.places(connection, day, entry_ids)
    ]
