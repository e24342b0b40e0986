"""From the domain to the protocol's answers."""

from city.health.v1 import kiosk_pb2 as pb

from health import messages
from health.assessment.advice import Assessment
from health.kiosks.kiosk import Kiosk
from health.kiosks.session import Session
from health.measuring.messages import assessment_message, code_number


def kiosk(given: Kiosk) -> pb.Kiosk:
    return pb.Kiosk(
        kiosk_id=given.kiosk_id,
        place=given.place,
        zone=given.zone,
        position=messages.position(given.position),
        devices=[
            pb.Device(
                device_id=one.device_id,
                codes=[code_number(code) for code in one.codes],
                model=one.model,
            )
            for one in given.devices
        ],
    )


def session(given: Session, assessment: Assessment | None = None) -> pb.SessionResponse:
    return pb.SessionResponse(
        stored_sequence=given.stored_sequence,
        assessment=None if assessment is None else assessment_message(assessment),
        ended=given.ended_at is not None,
    )
