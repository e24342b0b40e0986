"""city.cameras.v1.DetectionService."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import grpc.aio
from city.cameras.v1 import detection_pb2 as pb
from city.cameras.v1 import detection_pb2_grpc
from city_backbone.errors import InvalidArgument, Overloaded
from city_backbone.rpc.admission import Admission

from cameras.ingest.detection import KINDS, Box, Detection, Problem
from cameras.ingest.intake import Intake

NAME = "city.cameras.v1.DetectionService"
MAX_PER_CALL = 10_000
MAX_PER_MESSAGE = 1_000
MAX_PROBLEMS = 1_000

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_KIND_OF: dict[int, str] = {
    pb.DetectionKind.Value(f"DETECTION_KIND_{kind}"): kind for kind in KINDS
}
_MAX_NANOS = 999_999_999


class DetectionServicer(detection_pb2_grpc.DetectionServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them."""

    def __init__(self, intake: Intake, admission: Admission) -> None:
        self._intake = intake
        self._admission = admission

    async def PublishDetections(
        self, request_iterator: AsyncIterator[pb.PublishDetectionsRequest], context: Context
    ) -> pb.PublishDetectionsResponse:
        """Message by message: a call that is cut off keeps what went before. One that is refused
        is read to its end all the same, for what is urgent may stand behind."""
        response = pb.PublishDetectionsResponse()
        taken = 0
        overloaded: Overloaded | None = None
        with self._admission.call() as turn:
            async for request in request_iterator:
                turn.begin()
                number = len(request.detections)
                if number > MAX_PER_MESSAGE:
                    raise InvalidArgument(
                        "detections", f"expected at most {MAX_PER_MESSAGE} in a message"
                    )
                if taken + number > MAX_PER_CALL:
                    raise InvalidArgument(
                        "detections", f"expected at most {MAX_PER_CALL} in a call"
                    )
                try:
                    refused = await self._intake.take(
                        [detection_from(message) for message in request.detections],
                        "grpc",
                        self._admission.check,
                    )
                except Overloaded as error:
                    overloaded = error
                else:
                    response.accepted += number - len(refused)
                    response.refused += len(refused)
                    _report(response, taken, refused)
                taken += number
                turn.end()
        if overloaded is not None:
            raise overloaded
        return response


def detection_from(message: pb.Detection) -> Detection:
    """The protocol's message as it is; what is wrong with it is check()'s to say."""
    box = None
    if message.HasField("box"):
        said = message.box
        box = Box(said.x, said.y, said.width, said.height)
    micros = None
    if message.HasField("detected_at"):
        time = message.detected_at
        if 0 <= time.seconds < 253_402_300_800 and 0 <= time.nanos <= _MAX_NANOS:
            micros = time.seconds * 1_000_000 + time.nanos // 1_000
    return Detection(
        message.camera_id,
        _KIND_OF.get(message.kind, ""),
        message.track_id,
        message.confidence,
        box,
        micros,
    )


def _report(
    response: pb.PublishDetectionsResponse, first: int, refused: Sequence[tuple[int, Problem]]
) -> None:
    for position, problem in refused[: MAX_PROBLEMS - len(response.problems)]:
        response.problems.add(
            index=first + position,
            reason=pb.DetectionProblemReason.Value(f"DETECTION_PROBLEM_REASON_{problem.reason}"),
            field=problem.field,
            message=problem.message,
        )
