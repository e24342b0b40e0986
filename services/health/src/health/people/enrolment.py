"""Taking somebody in who consents, once for each idempotency key."""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from city.health.v1 import person_pb2 as pb
from city_backbone.crypto import derived
from city_backbone.database import Connection, Database
from city_backbone.errors import FailedPrecondition, IdempotencyConflict, PermissionDenied
from city_backbone.idempotency import Idempotency
from google.protobuf.wrappers_pb2 import BytesValue

from health.people import profile, store, store_follow_ups
from health.people.application import Application, application
from health.people.follow_up import Kind
from health.people.keyring import Keyring
from health.people.person import Person, Purpose, priority
from health.people.sealing import PersonalBox
from health.people.token import Tokens

_COMPARING = "city.health.person.v1/enrolment"


class Enrolment:
    """Nothing that was said is kept but sealed: of the request the idempotency table has its HMAC
    under the person's own key, which is forgotten with the person."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        keyring: Keyring,
        tokens: Tokens,
        measure_within: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._keyring = keyring
        self._tokens = tokens
        self._measure_within = measure_within
        self._clock = clock

    async def enrol(self, request: pb.EnrolPersonRequest, key: UUID, caller: str) -> str:
        """The person's token; told again for the same request until the first session.

        Raises InvalidArgument, IdempotencyConflict, and for a repeat FailedPrecondition
        (TOKEN_IN_USE) and PermissionDenied (CONSENT_WITHDRAWN).
        """
        now = self._clock()
        asked = application(request, now)
        token = self._tokens.issue(caller, key)
        mac = self._tokens.mac(token)
        assert mac
        async with self._database.transaction() as connection:
            first = False

            async def effect() -> BytesValue:
                nonlocal first
                first = True
                return BytesValue(value=await self._take_in(connection, request, asked, mac, now))

            said = await self._idempotency.run(
                connection,
                key=str(key),
                method="EnrolPerson",
                caller=caller,
                request=pb.EnrolPersonRequest(),
                response_type=BytesValue,
                effect=effect,
            )
            if not first:
                await self._must_be_the_same(connection, request, mac, said.value)
        return token

    async def _take_in(
        self,
        connection: Connection,
        request: pb.EnrolPersonRequest,
        asked: Application,
        mac: bytes,
        now: datetime,
    ) -> bytes:
        """The HMAC by which a repeat is compared.

        When the transaction fails a key stays behind that nothing is sealed with: destroying it
        could forget somebody whose commit went through and whose answer was lost.
        """
        if await store.is_known(connection, mac):
            raise _reused()  # the key outlived what is kept of keys
        person = Person(uuid4(), asked.zone, priority(asked.profile.groups), asked.purposes)
        key = await self._keyring.create(person.person_id)
        box = PersonalBox(person.person_id, key)
        await store.add(
            connection,
            person,
            mac,
            box.seal(profile.FIELD, profile.packed(asked.profile)),
            asked.consent_version,
            asked.consented_at,
        )
        if Purpose.REMINDER in person.purposes:
            first = {Kind.MEASURE_AGAIN: now + self._measure_within}
            await store_follow_ups.decide(connection, person, first, now)
        return _compared(key, request)

    async def _must_be_the_same(
        self, connection: Connection, request: pb.EnrolPersonRequest, mac: bytes, said: bytes
    ) -> None:
        row = await store.hold_by_token(connection, mac)
        key = None if row is None else await self._keyring.load(row["person_id"])
        if row is None or key is None:
            raise PermissionDenied(
                "CONSENT_WITHDRAWN", "idempotency_key: the consent given with it was withdrawn"
            )
        if not hmac.compare_digest(_compared(key, request), said):
            raise _reused()
        if await store.has_session(connection, row["person_id"]):
            raise FailedPrecondition(
                "TOKEN_IN_USE", "idempotency_key: its token was used, so it is not told again"
            )


def _compared(key: bytes, request: pb.EnrolPersonRequest) -> bytes:
    content = request.SerializeToString(deterministic=True)
    return hmac.digest(derived(key, _COMPARING), content, "sha256")


def _reused() -> IdempotencyConflict:
    return IdempotencyConflict(
        "IDEMPOTENCY_KEY_REUSED",
        "idempotency_key: used before with another request; make a new key per person",
    )
