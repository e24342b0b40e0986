"""What happens to acute readings: each opens its incident, once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from city_backbone.database import Connection

from emergency import store
from emergency.domain.acute import SOURCE, AcuteReading, opened
from emergency.domain.dispatch import DispatchRules
from emergency.ledger import Ledger, incident_id


class Readings:
    """Opens incidents of acute readings, by rules that are data."""

    def __init__(self, ledger: Ledger, rules: DispatchRules) -> None:
        self._ledger = ledger
        self._rules = rules

    async def apply(self, connection: Connection, readings: Sequence[AcuteReading]) -> None:
        """Rooms are called by the commit. The reading of a case whose incident is known does
        nothing, whatever became of that."""
        first: dict[UUID, AcuteReading] = {}
        for reading in readings:
            first.setdefault(incident_id(SOURCE, reading.case_id), reading)
        # Somebody waits for help: no answer of the database is waited for that is not needed.
        async with connection.pipeline():
            known = await store.lock(connection, list(first))
            now = datetime.now(UTC)
            fresh = [
                opened(reading, one, self._rules, now)
                for one, reading in first.items()
                if one not in known
            ]
            await self._ledger.record(connection, fresh)
