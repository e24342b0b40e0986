"""Between the protocol's messages and the domain. No error tells what was given."""

from collections.abc import Mapping
from uuid import UUID

from city.parking.v1 import vault_pb2 as pb
from city_backbone.errors import InvalidArgument
from city_backbone.geo import Point
from city_backbone.register import Verdict

from parking.messages import point, position, timestamp
from parking.vault.lookup import Blocking

MAX_RADIUS_METRES = 300


def incident(text: str) -> UUID:
    """Raises InvalidArgument."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgument("incident_id", "expected a UUID") from None


def question(request: pb.FindBlockingVehiclesRequest) -> str:
    """`around` or `plate`. Raises InvalidArgument for neither."""
    asked = request.WhichOneof("question")
    if asked is None:
        raise InvalidArgument("question", "expected around or plate")
    return asked


def asked(request: pb.FindBlockingVehiclesRequest) -> Mapping[str, str]:
    """For the register, right or wrong; never a plate."""
    kind = request.WhichOneof("question") or ""
    if kind != "around":
        return {"question": kind}
    place = request.around.point
    return {
        "question": kind,
        "point": f"{place.latitude:.6f},{place.longitude:.6f}",
        "radius_metres": f"{request.around.radius_metres:g}",
    }


def centre(around: pb.Around) -> Point:
    """Raises InvalidArgument."""
    if not around.HasField("point"):
        raise InvalidArgument("around.point", "expected a position")
    return point("around.point", around.point)


def radius(around: pb.Around) -> float:
    """Raises InvalidArgument."""
    if not 0 < around.radius_metres <= MAX_RADIUS_METRES:
        raise InvalidArgument(
            "around.radius_metres", f"expected above 0, at most {MAX_RADIUS_METRES}"
        )
    return around.radius_metres


def blocking_message(one: Blocking) -> pb.BlockingVehicle:
    return pb.BlockingVehicle(
        plate=one.plate,
        contact=one.contact,
        bay_id=one.bay_id,
        position=None if one.position is None else position(one.position),
        distance_metres=one.distance_metres,
        checked_in_at=timestamp(one.checked_in_at),
    )


def verdict_message(verdict: Verdict) -> pb.VerifyRegisterResponse:
    return pb.VerifyRegisterResponse(
        intact=verdict.intact,
        first_bad_sequence=verdict.first_bad_sequence or 0,
        problem=verdict.problem or "",
        head=pb.RegisterHead(sequence=verdict.head.sequence, hash=verdict.head.hash),
    )
