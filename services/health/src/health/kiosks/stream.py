"""One stream of the Session call: it is about one session, and each message is answered."""

from city.health.v1 import kiosk_pb2 as pb
from city_backbone.errors import InvalidArgument

from health.kiosks import answers
from health.kiosks.desk import Desk
from health.kiosks.session import Session
from health.messages import identity, moment, name


class Stream:
    """The session it is about is known from its begin on."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._session: Session | None = None

    async def answer(self, request: pb.SessionRequest) -> pb.SessionResponse:
        """Raises InvalidArgument, and what the desk does."""
        match request.WhichOneof("step"):
            case "begin":
                return await self._begin(request.begin)
            case "measured":
                return await self._measured(request.measured)
            case "end":
                return await self._end(request.end)
            case _:
                raise InvalidArgument("step", "expected begin, measured or end")

    async def _begin(self, begin: pb.Begin) -> pb.SessionResponse:
        session_id = identity("begin.session_id", begin.session_id)
        if self._session is not None and self._session.session_id != session_id:
            raise InvalidArgument(
                "begin.session_id", "expected that of the stream; open another for another session"
            )
        kiosk_id = name("begin.kiosk_id", begin.kiosk_id)
        if not begin.HasField("began_at"):
            raise InvalidArgument("begin.began_at", "expected a time")
        began_at = moment("begin.began_at", begin.began_at)
        self._session = await self._desk.begin(session_id, kiosk_id, begin.person_token, began_at)
        return answers.session(self._session)

    async def _measured(self, measured: pb.Measured) -> pb.SessionResponse:
        session, assessment = await self._desk.measure(
            self._begun(), measured.sequence, measured.measurement
        )
        return answers.session(session, assessment)

    async def _end(self, end: pb.End) -> pb.SessionResponse:
        if not end.HasField("ended_at"):
            raise InvalidArgument("end.ended_at", "expected a time")
        ended_at = moment("end.ended_at", end.ended_at)
        return answers.session(await self._desk.end(self._begun(), end.last_sequence, ended_at))

    def _begun(self) -> Session:
        if self._session is None:
            raise InvalidArgument("step", "expected begin first")
        return self._session
