"""Whom the health office is to remind."""

from uuid import UUID

import structlog
from city_backbone.audit.act import Origin
from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition, NotFound, Unreadable
from city_backbone.register import Register

from health.people import store_follow_ups
from health.people.directory import People
from health.people.person import Profile
from health.people.reads import CONTACT_SHOWN, read_entry
from health.people.store_follow_ups import FollowUp

log = structlog.get_logger()


class Contacts:
    """Only who consented to reminders has follow-ups, so only they are told of."""

    def __init__(self, people: People, register: Register) -> None:
        self._people = people
        self._register = register

    async def show(
        self, connection: Connection, follow_up_id: UUID, requester: str, at: Origin
    ) -> tuple[FollowUp, Profile]:
        """With its entry. Raises NotFound, FailedPrecondition (KEY_MISSING)."""
        found = await store_follow_ups.find_open(connection, follow_up_id)
        if found is None:
            raise NotFound("follow_up", str(follow_up_id))
        follow_up, person_id = found
        try:
            profile = await self._people.profile(connection, person_id)
        except Unreadable:
            profile = None
        if profile is None:
            if await self._people.by_id(connection, person_id) is None:  # forgotten meanwhile
                raise NotFound("follow_up", str(follow_up_id))
            log.error("person has no key in the keyring", person_id=str(person_id))
            raise FailedPrecondition("KEY_MISSING", "follow_up_id: what is kept cannot be read")
        entry = read_entry(
            requester,
            CONTACT_SHOWN,
            person_id,
            at,
            "reminder",
            follow_up_id=str(follow_up_id),
            kind=follow_up.kind,
        )
        await self._register.append(connection, [entry])
        return follow_up, profile
