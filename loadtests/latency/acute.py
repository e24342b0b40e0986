"""The probe of an acute reading: somebody's session at a kiosk, whose second measurement calls
119."""

import time
from typing import TYPE_CHECKING
from uuid import uuid4

import grpc.aio
from city.health.v1 import kiosk_pb2, person_pb2
from city.health.v1.kiosk_pb2_grpc import KioskServiceStub
from city.health.v1.person_pb2_grpc import PersonServiceStub
from city.type.v1.position_pb2 import Position
from google.protobuf.timestamp_pb2 import Timestamp

from loadtests.latency.probing import CALL_SECONDS, Sent, not_before, traced

if TYPE_CHECKING:
    from city.health.v1.kiosk_pb2_grpc import KioskServiceAsyncStub
    from city.health.v1.person_pb2_grpc import PersonServiceAsyncStub

PEOPLE = 20
_KIOSK, _DEVICE = "probe-kiosk", "probe-clip"
_CODES = (
    kiosk_pb2.MEASUREMENT_CODE_HEART_RATE,
    kiosk_pb2.MEASUREMENT_CODE_OXYGEN_SATURATION,
)
_WELL, _ACUTE = (_CODES[0], 72.0), (_CODES[1], 88.0)


class Acute:
    """Of `health`. Each session is a case of its own, so people come again and again."""

    department = "health"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._kiosks: KioskServiceAsyncStub = KioskServiceStub(channel)
        self._people: PersonServiceAsyncStub = PersonServiceStub(channel)
        self._tokens: list[str] = []

    def must_fit(self, count: int, per_second: float) -> None:
        """Any number."""

    async def prepare(self) -> None:
        device = kiosk_pb2.Device(device_id=_DEVICE, codes=_CODES, model="probe")
        kiosk = kiosk_pb2.Kiosk(
            kiosk_id=_KIOSK,
            place="측정 지점",
            zone="조치원",
            position=Position(latitude=36.60, longitude=127.29),
            devices=[device],
        )
        await self._kiosks.RegisterKiosks(
            kiosk_pb2.RegisterKiosksRequest(idempotency_key=str(uuid4()), kiosks=[kiosk]),
            timeout=CALL_SECONDS,
        )
        for number in range(PEOPLE):
            answer = await self._people.EnrolPerson(
                person_pb2.EnrolPersonRequest(
                    idempotency_key=str(uuid4()),
                    name=f"측정 {number}",
                    birth_date="1950-01-01",
                    contact="010-0000-0000",
                    purposes=[
                        person_pb2.CONSENT_PURPOSE_MEASUREMENT,
                        person_pb2.CONSENT_PURPOSE_EMERGENCY,
                    ],
                    consent_version="probe",
                    consented_at=_now(),
                    zone="조치원",
                ),
                timeout=CALL_SECONDS,
            )
            self._tokens.append(answer.person_token)

    async def send(self, number: int, due: float) -> tuple[str, Sent]:
        begin = kiosk_pb2.Begin(
            session_id=str(uuid4()),
            kiosk_id=_KIOSK,
            person_token=self._tokens[number % PEOPLE],
            began_at=_now(),
        )
        with traced() as trace_id:
            stream = self._kiosks.Session(timeout=CALL_SECONDS)
            await _said(stream, kiosk_pb2.SessionRequest(begin=begin))
            await _said(stream, _measured(1, *_WELL))
            sent = not_before(due)
            answer = await _said(stream, _measured(2, *_ACUTE))
            answered = time.time_ns()
            await _said(stream, kiosk_pb2.SessionRequest(end=_end()))
            await stream.done_writing()
        if not answer.assessment.acute:
            raise RuntimeError("the second measurement calls nobody")
        return trace_id, Sent(sent, answered)


async def _said(
    stream: "grpc.aio.StreamStreamCall[kiosk_pb2.SessionRequest, kiosk_pb2.SessionResponse]",
    request: kiosk_pb2.SessionRequest,
) -> kiosk_pb2.SessionResponse:
    await stream.write(request)
    answer = await stream.read()
    if not isinstance(answer, kiosk_pb2.SessionResponse):
        raise RuntimeError(f"the session was cut off: {await stream.details()}")
    return answer


def _measured(
    sequence: int, code: kiosk_pb2.MeasurementCode.ValueType, value: float
) -> kiosk_pb2.SessionRequest:
    measurement = kiosk_pb2.Measurement(code=code, value=value, taken_at=_now(), device_id=_DEVICE)
    return kiosk_pb2.SessionRequest(
        measured=kiosk_pb2.Measured(sequence=sequence, measurement=measurement)
    )


def _end() -> kiosk_pb2.End:
    return kiosk_pb2.End(last_sequence=2, ended_at=_now())


def _now() -> Timestamp:
    stamp = Timestamp()
    stamp.GetCurrentTime()
    return stamp
