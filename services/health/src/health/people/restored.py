"""Keys that came back: a copy of the keyring that was put back holds those destroyed since."""

from uuid import UUID

import structlog
from city_backbone.database import Connection

from health.people import store_forgetting as forgetting
from health.people.keyring import Keyring

log = structlog.get_logger()

_PER_RUN = 500
_FIRST = UUID(int=0)


class Restored:
    """Every replica looks through all who are forgotten, turn by turn."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._after = _FIRST

    async def destroy(self, connection: Connection) -> bool:
        """Whether there are more to look for before the next round."""
        forgotten = await forgetting.forgotten_after(connection, self._after, _PER_RUN)
        for person_id in forgotten:
            if await self._keyring.destroy(person_id):
                log.warning("destroyed key came back, destroyed again", person_id=str(person_id))
        more = len(forgotten) == _PER_RUN
        self._after = forgotten[-1] if more else _FIRST
        return more
