"""The test's handle on the room, under /control. Not a part of SCSNS and not protected."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from loadtests.driver.clock import machine
from loadtests.rooms.errors import SendError
from loadtests.rooms.faults import Faults, Mode
from loadtests.rooms.record import Record
from loadtests.rooms.scsns import Scsns
from loadtests.rooms.sender import SendRequest, send
from loadtests.rooms.sessions import Sessions

_Model = TypeVar("_Model", bound=BaseModel)


class Control:
    """HTTP handlers over the room's parts; what is not understood is answered with HTTP 400."""

    def __init__(
        self,
        scsns: Scsns,
        faults: Faults,
        sessions: Sessions,
        record: Record,
        now: Callable[[], datetime],
        send_seconds: float,
    ) -> None:
        self._scsns = scsns
        self._faults = faults
        self._sessions = sessions
        self._record = record
        self._now = now
        self._send_seconds = send_seconds

    def routes(self) -> list[web.RouteDef]:
        """The control paths."""
        return [
            web.get("/control", self._state),
            web.post("/control", self._set_mode),
            web.post("/control/expire-sessions", self._expire_sessions),
            web.get("/control/counts", self._counts),
            web.get("/control/events", self._events),
            web.post("/control/send", self._send),
        ]

    async def _state(self, request: web.Request) -> web.Response:
        now = self._now().isoformat(timespec="microseconds")
        mode = self._faults.current().mode
        return web.json_response({"now": now, "machine": machine(), "mode": mode})

    async def _set_mode(self, request: web.Request) -> web.Response:
        mode = await _parsed(Mode, request)
        self._faults.set(mode)
        return _json(mode)

    async def _expire_sessions(self, request: web.Request) -> web.Response:
        return web.json_response({"expired": self._sessions.expire()})

    async def _counts(self, request: web.Request) -> web.Response:
        return _json(self._scsns.counts())

    async def _events(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 16):
            raise _bad_request("after: expected the number of events already seen")
        page = await asyncio.to_thread(self._record.page, int(after))
        return web.json_response([event.model_dump() for event in page])

    async def _send(self, request: web.Request) -> web.Response:
        order = await _parsed(SendRequest, request)
        try:
            return _json(await send(order, self._send_seconds))
        except SendError as error:
            return web.json_response({"error": str(error)}, status=504 if error.timed_out else 502)


async def _parsed(model: type[_Model], request: web.Request) -> _Model:
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, first["loc"])) or "request"
        raise _bad_request(f"{name}: {first['msg']}") from error


def _bad_request(text: str) -> web.HTTPBadRequest:
    body = web.json_response({"error": text}).text
    return web.HTTPBadRequest(text=body, content_type="application/json")


def _json(model: BaseModel) -> web.Response:
    return web.Response(text=model.model_dump_json(), content_type="application/json")
