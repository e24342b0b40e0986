"""A health department of the tests' own: it keeps what it is told, and refuses as told."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import grpc
from city.health.v1 import kiosk_pb2, person_pb2
from city.health.v1.kiosk_pb2_grpc import KioskServiceServicer, add_KioskServiceServicer_to_server
from city.health.v1.person_pb2_grpc import (
    PersonServiceServicer,
    add_PersonServiceServicer_to_server,
)
from city_backbone.errors import BackboneError
from city_backbone.rpc.status import to_status


@dataclass
class Session:
    """As it is stored: a measurement for each sequence, once."""

    begin: kiosk_pb2.Begin
    stored: list[kiosk_pb2.Measurement] = field(default_factory=list)
    ended: kiosk_pb2.End | None = None


class HealthOffice(KioskServiceServicer, PersonServiceServicer):
    """`acts` are the calls and steps in order; `refuse` and `lose` hold, by what is done, errors
    raised before, and codes with which a stream or call breaks after it has been done."""

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.kiosks: dict[str, kiosk_pb2.Kiosk] = {}
        self.people: dict[str, person_pb2.EnrolPersonRequest] = {}
        self.sessions: dict[str, Session] = {}
        self.withdrawn: list[str] = []
        self.trends: list[tuple[str, int]] = []
        self.refuse: defaultdict[str, list[BackboneError]] = defaultdict(list)
        self.lose: defaultdict[str, list[grpc.StatusCode]] = defaultdict(list)
        self.seen: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def serve(self, server: grpc.aio.Server) -> None:
        """Before it starts."""
        add_KioskServiceServicer_to_server(self, server)
        add_PersonServiceServicer_to_server(self, server)

    async def RegisterKiosks(self, request: Any, context: Any) -> Any:
        await self._take("register", context)
        self.kiosks |= {one.kiosk_id: one for one in request.kiosks}
        await self._done("register", context)
        return kiosk_pb2.RegisterKiosksResponse(registered=len(request.kiosks))

    async def EnrolPerson(self, request: Any, context: Any) -> Any:
        await self._take("enrol", context)
        token = str(uuid5(NAMESPACE_URL, request.idempotency_key))
        self.people[token] = request
        await self._done("enrol", context)
        return person_pb2.EnrolPersonResponse(person_token=token)

    async def WithdrawConsent(self, request: Any, context: Any) -> Any:
        await self._take("withdraw", context)
        self.withdrawn.append(request.person_token)
        await self._done("withdraw", context)
        certificate = person_pb2.ForgettingCertificate(person_id=request.person_token)
        return person_pb2.WithdrawConsentResponse(certificate=certificate)

    async def GetTrend(self, request: Any, context: Any) -> Any:
        await self._take("trend", context)
        self.trends.append((request.person_token, request.code))
        return person_pb2.GetTrendResponse()

    async def Session(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        session: Session | None = None
        async for request in requests:
            step = request.WhichOneof("step")
            await self._take(step, context)
            fresh = False
            if step == "begin":
                begin = request.begin
                session = self.sessions.setdefault(begin.session_id, Session(begin))
            assert session is not None
            if step == "measured":
                assert request.measured.sequence <= len(session.stored) + 1
                fresh = request.measured.sequence == len(session.stored) + 1
                if fresh:
                    session.stored.append(request.measured.measurement)
            elif step == "end":
                assert request.end.last_sequence == len(session.stored)
                session.ended = session.ended or request.end
            await self._done(step, context)
            answer = kiosk_pb2.SessionResponse(
                stored_sequence=len(session.stored), ended=session.ended is not None
            )
            if fresh:
                answer.assessment.advice = kiosk_pb2.ADVICE_LEVEL_NORMAL
            yield answer

    async def GetKiosk(self, request: Any, context: Any) -> Any:
        raise AssertionError("not called by the city")

    ListKiosks = GetCase = ListFollowUps = GetFollowUpContact = VerifyRegister = GetKiosk

    async def _take(self, act: str, context: Any) -> None:
        self.acts.append(act)
        if self.refuse[act]:
            await context.abort_with_status(to_status(self.refuse[act].pop(0), "health"))

    async def _done(self, act: str, context: Any) -> None:
        self.seen[act].set()
        if self.lose[act]:
            await context.abort(self.lose[act].pop(0), "told to")
