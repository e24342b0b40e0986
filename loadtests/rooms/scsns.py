"""The SCSNS side of the room: AUTH and EVENT over HTTP.

HTTP 200 with result "0" or "1" for every message that can be read; 400 with result "1" for bytes
that are no message, 408 when they do not arrive in time, 413 over 1 MiB.
"""

import asyncio
import hmac

from aiohttp import web

from loadtests.rooms.errors import RefusedError, UnreadableError
from loadtests.rooms.faults import Faults
from loadtests.rooms.fields import EventBody
from loadtests.rooms.message import AuthBody, Message
from loadtests.rooms.record import Record
from loadtests.rooms.sessions import Sessions
from loadtests.rooms.settings import RoomSettings
from loadtests.rooms.tally import Counts


class Scsns:
    """Answers AUTH and EVENT and counts what it refused since it was made."""

    def __init__(
        self, settings: RoomSettings, sessions: Sessions, faults: Faults, record: Record
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._faults = faults
        self._record = record
        self._auth = 0
        self._auth_refused = 0
        self._refused = 0
        self._last_refusal: str | None = None

    def routes(self) -> list[web.RouteDef]:
        """The two paths a peer calls."""
        return [
            web.post("/api/getAuth.json", self._get_auth),
            web.post("/linkHttp/recvEvent.json", self._recv_event),
        ]

    def counts(self) -> Counts:
        """The record's counts and the refusals since the start."""
        return self._record.tally.counts().model_copy(
            update={
                "auth": self._auth,
                "auth_refused": self._auth_refused,
                "refused": self._refused,
                "last_refusal": self._last_refusal,
            }
        )

    async def _get_auth(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, event=False)

    async def _recv_event(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, event=True)

    async def _answer(self, request: web.Request, *, event: bool) -> web.StreamResponse:
        mode = self._faults.current()
        if mode.mode == "down":
            if mode.close and request.transport is not None:
                request.transport.abort()
            return web.Response(status=mode.status, text="the stand-in room is down")
        status, result = 200, "0"
        try:
            message = await self._read(request)
            text = self._event(message, request) if event else self._authenticate(message, request)
        except RefusedError as error:
            result, text = "1", str(error)
        except UnreadableError as error:
            status, result, text = 400, "1", str(error)
        except TimeoutError:
            status, result, text = 408, "1", "the request did not arrive in time"
        except web.HTTPRequestEntityTooLarge as error:
            status, result, text = 413, "1", str(error.text)
        if result == "1":
            self._count_refusal(text, event=event)
        if mode.mode == "slow":
            await asyncio.sleep(mode.delay_seconds)
        tags = {"startTag": "$DA", "endTag": "$DB", "finishTag": "$DF"}
        return web.json_response(tags | {"result": result, "message": text}, status=status)

    async def _read(self, request: web.Request) -> Message:
        async with asyncio.timeout(self._settings.read_seconds):
            raw = await request.read()
        return Message(request.content_type, raw)

    def _authenticate(self, message: Message, request: web.Request) -> str:
        message.header("AUTH", request.headers)
        given = message.body(AuthBody).apiKey
        expected = self._settings.api_key.get_secret_value()
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise RefusedError("body.apiKey", "not the key of this room")
        self._auth += 1
        return self._sessions.grant()

    def _event(self, message: Message, request: web.Request) -> str:
        header = message.header("EVENT", request.headers)
        if not self._sessions.alive(header.rrKey):
            raise RefusedError("rrKey", "not a live session key; authenticate again")
        recorded = self._record.accept(message.body(EventBody), message.body_sha256())
        return "already received" if recorded.repeat else "received"

    def _count_refusal(self, text: str, *, event: bool) -> None:
        self._last_refusal = text
        if event:
            self._refused += 1
        else:
            self._auth_refused += 1
