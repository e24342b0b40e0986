"""GET /fhir/Observation: a person's own measurements, newest first, opened for the person alone."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import structlog
from city_backbone.audit.act import Attempt, Origin
from city_backbone.database import Connection, Database
from city_backbone.errors import PermissionDenied, Unreadable
from city_backbone.register import Register

from health.assessment.advice import advise
from health.assessment.rules import Rules
from health.fhir import answers
from health.fhir.desk import key_missing
from health.fhir.query import Query
from health.fhir.refused import Refused
from health.measuring import store
from health.measuring.measurement import Measurement
from health.measuring.sealing import open_sealed
from health.people.directory import People
from health.people.person import Person
from health.people.reads import read_entry
from health.people.sealing import PersonalBox

log = structlog.get_logger()

SEARCHED = "fhir-searched"
SEARCH_DENIED = "fhir-search-denied"

_WITHDRAWN = "CONSENT_WITHDRAWN"
_PAGE = "fhir-page"

_Found: TypeAlias = tuple[store.Row, Measurement]
_Place: TypeAlias = tuple[datetime, UUID]


class Search:
    """Each search is registered, in the transaction that reads. So is one with the token of
    somebody who withdrew; one with a token that is nobody's reads nothing of anybody, and anybody
    could fill the register with them. Raises Refused, Transient.
    """

    def __init__(
        self, database: Database, people: People, register: Register, rules: Rules
    ) -> None:
        self._database = database
        self._people = people
        self._register = register
        self._rules = rules

    async def find(self, token: str, query: Query, at: Origin) -> answers.Json:
        async with self._database.transaction() as connection:
            try:
                person = await self._people.by_token(connection, token)
            except PermissionDenied as refusal:
                if refusal.reason != _WITHDRAWN:
                    raise Refused(401, "login", "expected the token of somebody enrolled") from None
                denied = Attempt(SEARCH_DENIED, at, actor="", subject="").denied(refusal)
                await self._register.append(connection, [denied])
            else:
                return await self._find(connection, person, query, at)
        raise Refused(403, "forbidden", "the consent was withdrawn: nothing can be read any more")

    async def _find(
        self, connection: Connection, person: Person, query: Query, at: Origin
    ) -> answers.Json:
        box = await self._box(person)
        after = _after(box, query.page)
        rows = await store.of_person(connection, person.person_id)
        found = await asyncio.to_thread(_chosen, box, rows, query)
        page = [one for one in found if after is None or _place(one) < after][: query.count + 1]
        shown = page[: query.count]
        links = {"self": query.url(query.page)}
        if len(page) > len(shown):
            links["next"] = query.url(_page(box, _place(shown[-1])))
        own = str(person.person_id)
        entry = read_entry(own, SEARCHED, person.person_id, at, "own view", observations=len(shown))
        await self._register.append(connection, [entry])
        return answers.searchset([self._resource(*one) for one in shown], len(found), links)

    async def _box(self, person: Person) -> PersonalBox:
        try:
            box = await self._people.box(person.person_id)
        except Unreadable:
            box = None
        if box is None:
            raise key_missing(person)
        return box

    def _resource(self, row: store.Row, measurement: Measurement) -> answers.Json:
        """With what it means by itself, as in the person's trend."""
        advice = advise(measurement, self._rules)
        return answers.observation(row.measurement_id, measurement, row.kiosk_id, [advice])


def _chosen(box: PersonalBox, rows: Sequence[store.Row], query: Query) -> list[_Found]:
    """Codes and times are ciphertext in the database, so they are chosen and sorted here."""
    found = []
    for row in rows:
        try:
            measurement = open_sealed(box, row.sealed)
        except Unreadable:  # the others are shown all the same
            log.error("measurement cannot be read", measurement_id=str(row.measurement_id))
            continue
        if query.holds(measurement):
            found.append((row, measurement))
    return sorted(found, key=_place, reverse=True)


def _place(found: _Found) -> _Place:
    row, measurement = found
    return measurement.taken_at, row.measurement_id


def _page(box: PersonalBox, place: _Place) -> str:
    """Sealed for the person: it tells when somebody was measured, and addresses are logged."""
    taken_at, measurement_id = place
    content = {"taken_at": taken_at.isoformat(), "measurement_id": str(measurement_id)}
    return base64.urlsafe_b64encode(box.seal(_PAGE, content)).decode().rstrip("=")


def _after(box: PersonalBox, page: str) -> _Place | None:
    if not page:
        return None
    try:
        sealed = base64.urlsafe_b64decode(page + "=" * (-len(page) % 4))
        content = box.open(_PAGE, sealed)
    except (ValueError, Unreadable):
        expected = "page: expected the next link of an earlier answer to the same person"
        raise Refused(400, "value", expected) from None
    return datetime.fromisoformat(content["taken_at"]), UUID(content["measurement_id"])
