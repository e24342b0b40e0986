"""What kiosks and people ask of `health`, by RPC."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc
from city.health.v1 import kiosk_pb2, person_pb2
from city.health.v1.kiosk_pb2_grpc import KioskServiceStub
from city.health.v1.person_pb2_grpc import PersonServiceStub

from loadtests.city.calls import Calls
from loadtests.city.health.kiosks import Kiosk
from loadtests.city.health.line import Line
from loadtests.city.health.rates import Code
from loadtests.city.health.wire import CODES, kiosk_registration

if TYPE_CHECKING:
    from city.health.v1.kiosk_pb2_grpc import KioskServiceAsyncStub
    from city.health.v1.person_pb2_grpc import PersonServiceAsyncStub

DEPARTMENT = "health"


class Office:
    """The department behind one channel. Each act is repeated, the same, until it is answered.

    A repeated act is the same act. Everything raises RefusedError for a refusal.
    """

    def __init__(self, channel: grpc.aio.Channel, calls: Calls) -> None:
        self._kiosks: KioskServiceAsyncStub = KioskServiceStub(channel)
        self._people: PersonServiceAsyncStub = PersonServiceStub(channel)
        self._calls = calls

    async def register_kiosks(self, kiosks: Sequence[Kiosk]) -> None:
        request = kiosk_registration(kiosks)
        await self._calls("RegisterKiosks", self._kiosks.RegisterKiosks, request)

    async def enrol(self, request: person_pb2.EnrolPersonRequest) -> str:
        """The person's token."""
        answer = await self._calls("EnrolPerson", self._people.EnrolPerson, request)
        return answer.person_token

    async def withdraw(self, person_token: str) -> person_pb2.ForgettingCertificate:
        request = person_pb2.WithdrawConsentRequest(person_token=person_token)
        answer = await self._calls("WithdrawConsent", self._people.WithdrawConsent, request)
        return answer.certificate

    async def trend(self, person_token: str, code: Code) -> Sequence[person_pb2.TrendPoint]:
        """The first page, oldest first."""
        request = person_pb2.GetTrendRequest(person_token=person_token, code=CODES[code])
        answer = await self._calls("GetTrend", self._people.GetTrend, request)
        return list(answer.points)

    def session(self, begin: kiosk_pb2.Begin) -> Line:
        """Of a kiosk; nothing is sent yet."""
        return Line(self._kiosks, self._calls, begin)
