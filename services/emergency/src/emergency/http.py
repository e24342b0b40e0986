"""Incoming SCSNS: rooms authenticate, then tell us of their incidents.

HTTP 200 with result "0" or "1" for every message that can be read; with result "1", 400 for bytes
that are none, 408 when they come too slowly, and 503 while the database is away.
"""

import asyncio
import hmac
from collections.abc import Sequence
from typing import Literal

import structlog
from aiohttp import web
from city_backbone.database import Database
from city_backbone.errors import Transient

from emergency import handlers, store_scsns
from emergency.domain.scsns.incoming import Header, Message
from emergency.domain.scsns.outgoing import answer
from emergency.errors import MessageRefused, MessageUnreadable
from emergency.ledger import Ledger
from emergency.settings import IncomingSettings, PeerRoomSettings
from emergency.telemetry import Metrics

log = structlog.get_logger()


class Scsns:
    """The paths that rooms post to."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        metrics: Metrics,
        peers: Sequence[PeerRoomSettings],
        settings: IncomingSettings,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._metrics = metrics
        self._peers = {(peer.send_code, peer.system_code): peer for peer in peers}
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        """AUTH and EVENT."""
        return [
            web.post("/api/getAuth.json", self._auth),
            web.post("/integrationPlatformEvent", self._event),
        ]

    async def _auth(self, request: web.Request) -> web.Response:
        return await self._answer("AUTH", request)

    async def _event(self, request: web.Request) -> web.Response:
        return await self._answer("EVENT", request)

    async def _answer(
        self, service: Literal["AUTH", "EVENT"], request: web.Request
    ) -> web.Response:
        try:
            message = Message(request.content_type, await self._read(request))
            header = message.header(service, request.headers.get("X-Scsns-Secret", ""))
            handle = self._authenticate if service == "AUTH" else self._take
            return web.json_response(answer("0", await handle(header, message)))
        except MessageRefused as error:
            return self._failure(200, ".".join(error.field.split(".")[:2]), str(error))
        except MessageUnreadable as error:
            return self._failure(400, "unreadable", str(error))
        except TimeoutError:
            return self._failure(408, "slow", "the message did not arrive in time")
        except Transient as error:
            log.warning("scsns message not taken", error=repr(error), outcome="unavailable")
            return self._failure(503, "unavailable", "not available now, send it again later")

    def _failure(self, status: int, reason: str, text: str) -> web.Response:
        self._metrics.refused("scsns", reason)
        # The text may hold what the sender wrote, so only the field is logged.
        log.info("scsns message refused", outcome="refused", status=status, reason=reason)
        return web.json_response(answer("1", text), status=status)

    async def _read(self, request: web.Request) -> bytes:
        limit = self._settings.max_message_bytes
        raw = bytearray()
        async with asyncio.timeout(self._settings.read_seconds):
            async for chunk in request.content.iter_any():
                raw += chunk
                if len(raw) > limit:
                    raise MessageRefused("message", f"expected at most {limit} bytes")
        return bytes(raw)

    async def _authenticate(self, header: Header, message: Message) -> str:
        peer = self._peers.get((header.sendCd, header.sysCd))
        given = message.credentials().apiKey
        expected = peer.api_key.get_secret_value() if peer else ""
        if peer is None or not hmac.compare_digest(given.encode(), expected.encode()):
            raise MessageRefused("body.apiKey", "not the key of this sendCd and sysCd")
        async with self._database.transaction() as connection:
            return await store_scsns.grant(connection, peer.name, self._settings.session_seconds)

    async def _take(self, header: Header, message: Message) -> str:
        async with self._database.transaction() as connection:
            room = await store_scsns.room_of(connection, header.rrKey)
            if room is None:
                raise MessageRefused("rrKey", "not a live session key, authenticate again")
            peer = self._peers.get((header.sendCd, header.sysCd))
            if peer is None or peer.name != room:
                raise MessageRefused("sendCd", "expected the codes that the session key is for")
            new = await handlers.take_message(
                connection,
                self._ledger,
                room,
                f"{header.sendCd}_{header.sysCd}",
                message.event(),
                message.digest(),
            )
        return "received" if new else "already received"
