"""FHIR over HTTP on the real broker, registry and database, as the part has it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from aiohttp import ClientSession, ClientTimeout
from city.health.v1 import person_pb2
from city_backbone.crypto import secret_key
from city_backbone.register import Register, Verdict
from city_backbone.runtime import Backbone, Service
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.operationoutcome import OperationOutcome
from health.clock import utc_now
from health.fhir import terms
from health.fhir.observation import identity
from health.fhir.wiring import fhir
from health.kiosks import requests, store
from health.measuring import facts
from health.measuring.measurement import Code, Measurement
from health.measuring.sealing import open_sealed
from health.messages import timestamp
from health.people.certificate import signer
from health.people.directory import People
from health.people.enrolment import Enrolment
from health.people.keyring import FileKeyring
from health.people.reads import REGISTER
from health.people.sealing import PersonalBox
from health.people.token import Tokens
from health.people.withdrawal import Withdrawals
from health.settings import HealthSettings
from pydantic import SecretStr

from .kiosks_world import Topic, kiosk_message

KEY = "a-key-of-systems-that-send"
SENDER = {"Authorization": f"Bearer {KEY}"}
SYSTEM = "urn:example:monitor"
_MODELS = {
    "Bundle": Bundle,
    "Observation": Observation,
    "OperationOutcome": OperationOutcome,
}


@dataclass(frozen=True)
class Answer:
    """`resource` is FHIR R4."""

    status: int
    headers: Mapping[str, str]
    resource: dict[str, Any]

    @property
    def issue(self) -> dict[str, Any]:
        [issue] = self.resource["issue"]
        return dict(issue)

    @property
    def refusal(self) -> tuple[int, str, str | None]:
        """Status, code and expression."""
        [expression] = self.issue.get("expression", [None])
        return self.status, self.issue["code"], expression


@dataclass(frozen=True)
class Enrolled:
    token: str
    person_id: UUID
    box: PersonalBox


@dataclass(frozen=True)
class World:
    service: RunningService[HealthSettings]
    people: People
    enrolment: Enrolment
    withdrawals: Withdrawals
    measurements: Topic
    acute: Topic
    http: ClientSession

    async def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        async with self.service.backbone.database.transaction() as connection:
            return await (await connection.execute(query.encode(), values)).fetchall()

    async def kiosk(self) -> str:
        """A new one."""
        kiosk_id = f"kiosk-{uuid4().hex[:12]}"
        async with self.service.backbone.database.transaction() as connection:
            await store.save(connection, requests.kiosks([kiosk_message(kiosk_id)]))
        return kiosk_id

    async def enrol(self) -> Enrolled:
        request = person_pb2.EnrolPersonRequest(
            name="김복순",
            birth_date="1944-03-01",
            contact="010-1234-5678",
            purposes=[person_pb2.CONSENT_PURPOSE_MEASUREMENT],
            consent_version="1",
            consented_at=timestamp(utc_now()),
            zone="조치원",
        )
        token = await self.enrolment.enrol(request, uuid4(), "operator")
        async with self.service.backbone.database.transaction() as connection:
            person = await self.people.by_token(connection, token)
        box = await self.people.box(person.person_id)
        assert box is not None
        return Enrolled(token, person.person_id, box)

    async def told(self, person: Enrolled) -> list[Measurement]:
        """What the topic has of the person, each event once, in the order they were taken."""
        await self.published()
        events = {
            one["ce_id"]: one
            for one in await self.measurements.all()
            if one["person_id"] == str(person.person_id)
        }
        assert len({one["measurement_id"] for one in events.values()}) == len(events)
        opened = [open_sealed(person.box, one["sealed"]) for one in events.values()]
        return sorted(opened, key=lambda one: one.taken_at)

    async def published(self) -> None:
        """Waits until all that was written is on its topics."""

        async def empty() -> bool:
            return not await self.rows("select from outbox limit 1")

        await eventually(empty)

    async def send(
        self, content: object, path: str = "/fhir", headers: Mapping[str, str] = SENDER
    ) -> Answer:
        """JSON, or bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        given = {"Content-Type": "application/fhir+json", **headers}
        return await self.call("POST", path, data=body, headers=given)

    async def search(self, token: str, query: str = "") -> Answer:
        return await self.follow(token, f"/fhir/Observation{query and '?'}{query}")

    async def follow(self, token: str, url: str) -> Answer:
        return await self.call("GET", url, headers={"Authorization": f"Bearer {token}"})

    async def call(self, method: str, path: str, **given: Any) -> Answer:
        async with self.http.request(method, self.service.http_url + path, **given) as response:
            text = await response.text()
        assert response.content_type == "application/fhir+json", text
        resource = json.loads(text)
        model: Any = _MODELS.get(resource["resourceType"])
        if model is not None:
            model.model_validate(resource)
        return Answer(response.status, response.headers, resource)

    async def stored(self, measurement_id: UUID | str) -> list[dict[str, Any]]:
        return await self.rows(
            "select * from measurement where measurement_id = %s::uuid", str(measurement_id)
        )

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """What a request may change, or not."""
        tables = ("measurement", "acute_case", "register_record")
        return {one: await self.rows(f"select * from {one} order by 1, 2") for one in tables}

    async def entries(self, person_id: UUID | str) -> list[dict[str, Any]]:
        return await self.rows(
            "select * from register_record where register = %s and subject = %s order by sequence",
            *(REGISTER, str(person_id)),
        )

    async def verified(self) -> Verdict:
        async with self.service.backbone.database.transaction() as connection:
            return await Register(REGISTER).verify(connection, [])


def observation(
    token: str,
    code: Code = Code.HEART_RATE,
    value: float = 72,
    kiosk_id: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Of an identifier that no other has, taken now."""
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "identifier": [{"system": SYSTEM, "value": str(uuid4())}],
        "status": "final",
        "code": {"coding": [{"system": terms.LOINC, "code": code.loinc}]},
        "subject": {"identifier": {"system": terms.PERSON_TOKEN, "value": token}},
        "effectiveDateTime": utc_now().isoformat(),
        "valueQuantity": {"value": value, "system": terms.UCUM, "code": code.unit},
    }
    if kiosk_id is not None:
        resource["device"] = {"identifier": {"system": terms.KIOSK, "value": kiosk_id}}
    return {**resource, **more}


def identity_of(resource: Mapping[str, Any]) -> UUID:
    [identifier] = resource["identifier"]
    return identity(identifier["system"], identifier["value"])


def bundle(*resources: Mapping[str, Any]) -> dict[str, Any]:
    request = {"method": "POST", "url": "Observation"}
    entries = [{"resource": one, "request": request} for one in resources]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


@asynccontextmanager
async def opened(
    mesh: Mesh, read_seconds: float = 10.0, key: str | None = KEY, **overrides: str
) -> AsyncIterator[World]:
    """The part alone."""

    async def bootstrap(backbone: Backbone[HealthSettings]) -> Service:
        secret = None if key is None else SecretStr(key)
        given = backbone.settings.fhir.model_copy(update={"key": secret})
        settings = backbone.settings.model_copy(update={"fhir": given})
        return fhir(replace(backbone, settings=settings), read_seconds=read_seconds)

    measurements = Topic(mesh, facts.MEASUREMENT_TAKEN, "health")
    acute = Topic(mesh, facts.ACUTE_READING_DETECTED, "operator")
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            run_service(mesh, HealthSettings, bootstrap, "health", overrides)
        )
        backbone = service.backbone
        people = backbone.settings.people
        secret = secret_key("PEOPLE__KEY", people.key.get_secret_value())
        keyring, tokens = FileKeyring(people.keyring, secret), Tokens(secret)
        for topic in (measurements, acute):
            stack.push_async_callback(topic.stop)
            await topic.start()
        http = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=30)))
        database, tls = backbone.database, backbone.settings.tls
        month = timedelta(days=30)
        yield World(
            service,
            People(keyring, tokens),
            Enrolment(database, backbone.idempotency, keyring, tokens, month, utc_now),
            Withdrawals(database, keyring, tokens, signer(tls.key_file), utc_now),
            measurements,
            acute,
            http,
        )
