"""Forgetting: somebody's key is destroyed, and then what it sealed is cleared away."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any
from uuid import UUID, uuid4

import structlog
from city.health.v1 import person_pb2 as pb
from city_backbone.database import Connection, Database
from city_backbone.errors import PermissionDenied, Unreadable
from city_backbone.outbox import Record, add_records

from health.measuring.facts import MEASUREMENT_TAKEN
from health.messages import timestamp
from health.people import store
from health.people import store_forgetting as forgetting
from health.people.certificate import Signer
from health.people.keyring import Keyring, fingerprint
from health.people.token import Tokens

log = structlog.get_logger()


class Step(Enum):
    """What has just been done, in this order."""

    BEGUN = auto()
    KEY_DESTROYED = auto()
    CLEARED = auto()
    FORGOTTEN = auto()


class Withdrawals:
    """Each step may be done again; `after` is called after each, so that a test can cut it off.

    From the commit of the first step on every part refuses what is the person's. Then what was
    already under way is waited for, the key is destroyed, and the rest is one transaction.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        tokens: Tokens,
        signer: Signer,
        clock: Callable[[], datetime],
        after: Callable[[Step], None] = lambda step: None,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._tokens = tokens
        self._signer = signer
        self._clock = clock
        self._after = after

    async def withdraw(self, token: str) -> pb.ForgettingCertificate:
        """The same certificate each time. Raises PermissionDenied for a token that is nobody's."""
        async with self._database.transaction() as connection:
            person_id = await self._begin(connection, token)
        self._after(Step.BEGUN)
        async with self._database.transaction() as connection:
            row = await forgetting.lock(connection, person_id)
            assert row
            if row["status"] == store.FORGOTTEN:
                return _certificate(row)
            certificate = await self._forget(connection, row)
        self._after(Step.FORGOTTEN)
        return certificate

    async def take_up(self, connection: Connection) -> bool:
        """One withdrawal that was cut off, in the caller's transaction; whether there was one."""
        row = await forgetting.lock_cut_off(connection)
        if row is None:
            return False
        await self._forget(connection, row)
        return True

    async def _begin(self, connection: Connection, token: str) -> UUID:
        mac = self._tokens.mac(token)
        row = None if mac is None else await forgetting.claim(connection, mac)
        if row is None:
            raise PermissionDenied("UNKNOWN_TOKEN", "person_token: expected an enrolled person's")
        person_id: UUID = row["person_id"]
        if row["status"] == store.ENROLLED:
            now = self._clock()
            draft = pb.ForgettingCertificate(
                certificate_id=str(uuid4()),
                person_id=str(person_id),
                withdrawn_at=timestamp(now),
                key_fingerprint=await self._fingerprint(person_id),
            )
            await forgetting.begin(connection, person_id, now, draft.SerializeToString())
        return person_id

    async def _fingerprint(self, person_id: UUID) -> str:
        """Empty when there is no key that could be told: then nothing could be read before."""
        try:
            key = await self._keyring.load(person_id)
        except Unreadable:
            key = None
        if key is None:
            log.error("person withdraws without a key", person_id=str(person_id))
            return ""
        return fingerprint(key)

    async def _forget(
        self, connection: Connection, row: Mapping[str, Any]
    ) -> pb.ForgettingCertificate:
        """The row is locked, and WITHDRAWING is committed."""
        person_id: UUID = row["person_id"]
        await self._keyring.destroy(person_id)
        self._after(Step.KEY_DESTROYED)
        measurements = await forgetting.measurement_ids(connection, person_id)
        draft = _certificate(row)
        draft.forgotten.update(await forgetting.clear(connection, person_id))
        certificate = self._signer.sign(draft)
        await forgetting.finish(connection, person_id, certificate.SerializeToString())
        await add_records(connection, [_tombstone(one) for one in measurements])
        self._after(Step.CLEARED)
        log.info("person forgotten", person_id=str(person_id))
        return certificate


def _certificate(row: Mapping[str, Any]) -> pb.ForgettingCertificate:
    certificate = pb.ForgettingCertificate()
    certificate.ParseFromString(bytes(row["certificate"]))
    return certificate


def _tombstone(measurement_id: UUID) -> Record:
    return Record(MEASUREMENT_TAKEN, str(measurement_id).encode(), None, ())
