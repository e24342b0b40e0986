"""city.health.v1.PersonService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import grpc.aio
from city.health.v1 import person_pb2 as pb
from city.health.v1 import person_pb2_grpc
from city_backbone.audit.account import account
from city_backbone.audit.act import Attempt, Origin, origin
from city_backbone.audit.attempts import Attempts
from city_backbone.audit.heads import heads
from city_backbone.database import Connection, Database
from city_backbone.register import Register
from city_backbone.rpc.identity import caller
from city_backbone.rpc.paging import page_size

from health.messages import identity
from health.people import messages, store_follow_ups
from health.people.contact import Contacts
from health.people.enrolment import Enrolment
from health.people.reads import CONTACT_DENIED, TREND_DENIED
from health.people.trend import Trend
from health.people.withdrawal import Withdrawals

NAME = "city.health.v1.PersonService"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class CaseDesk(Protocol):
    """cases.desk.Cases."""

    async def get(self, request: pb.GetCaseRequest, at: Origin) -> pb.GetCaseResponse: ...


class PersonServicer(person_pb2_grpc.PersonServiceServicer):
    """Raises the backbone's errors, which tell nothing that was given; its server makes statuses
    of them."""

    def __init__(
        self,
        database: Database,
        enrolment: Enrolment,
        withdrawals: Withdrawals,
        trend: Trend,
        contacts: Contacts,
        cases: CaseDesk,
        attempts: Attempts,
        register: Register,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._enrolment = enrolment
        self._withdrawals = withdrawals
        self._trend = trend
        self._contacts = contacts
        self._cases = cases
        self._attempts = attempts
        self._register = register
        self._clock = clock

    async def EnrolPerson(
        self, request: pb.EnrolPersonRequest, context: Context
    ) -> pb.EnrolPersonResponse:
        department = caller(context)
        key = identity("idempotency_key", request.idempotency_key)
        return pb.EnrolPersonResponse(
            person_token=await self._enrolment.enrol(request, key, department)
        )

    async def WithdrawConsent(
        self, request: pb.WithdrawConsentRequest, context: Context
    ) -> pb.WithdrawConsentResponse:
        certificate = await self._withdrawals.withdraw(request.person_token)
        return pb.WithdrawConsentResponse(certificate=certificate)

    async def GetTrend(self, request: pb.GetTrendRequest, context: Context) -> pb.GetTrendResponse:
        at = origin(context)

        async def effect(connection: Connection) -> pb.GetTrendResponse:
            question = messages.question(request)
            shown = await self._trend.show(connection, request.person_token, question, at)
            return messages.trend_message(*shown)

        # Whose token it is, is not known before, and not told of one that is refused.
        attempt = Attempt(TREND_DENIED, at, actor="", subject="")
        return await self._attempts.make(attempt, pb.GetTrendResponse, effect)

    async def GetCase(self, request: pb.GetCaseRequest, context: Context) -> pb.GetCaseResponse:
        return await self._cases.get(request, origin(context))

    async def ListFollowUps(
        self, request: pb.ListFollowUpsRequest, context: Context
    ) -> pb.ListFollowUpsResponse:
        zone, size = messages.zone(request), page_size(request.page_size)
        after = messages.follow_ups_after(request.page_token)
        async with self._database.transaction() as connection:
            found = await store_follow_ups.due(connection, zone, self._clock(), after, size + 1)
        return messages.follow_ups_message(found[:size], more=len(found) > size)

    async def GetFollowUpContact(
        self, request: pb.GetFollowUpContactRequest, context: Context
    ) -> pb.GetFollowUpContactResponse:
        at = origin(context)

        async def effect(connection: Connection) -> pb.GetFollowUpContactResponse:
            follow_up, profile = await self._contacts.show(
                connection,
                identity("follow_up_id", request.follow_up_id),
                account("requester", request.requester),
                at,
            )
            return pb.GetFollowUpContactResponse(
                follow_up=messages.follow_up_message(follow_up),
                name=profile.name,
                contact=profile.contact,
            )

        # A field may hold anything a caller sends: what is no id or account is not kept.
        attempt = Attempt(CONTACT_DENIED, at, actor="", subject="")
        return await self._attempts.make(attempt, pb.GetFollowUpContactResponse, effect)

    async def VerifyRegister(
        self, request: pb.VerifyRegisterRequest, context: Context
    ) -> pb.VerifyRegisterResponse:
        given = heads(request.heads)
        async with self._database.transaction() as connection:
            verdict = await self._register.verify(connection, given)
        return messages.verdict_message(verdict)
