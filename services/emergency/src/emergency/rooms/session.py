"""The HTTP side of one room: AUTH, the session key, EVENT."""

import asyncio
import json
from datetime import UTC, datetime

import aiohttp

from emergency.domain.scsns.outgoing import Party, ServiceType, auth_body, envelope
from emergency.errors import RoomRefused, RoomUnavailable
from emergency.settings import RoomSettings

_MAX_ANSWER = 64 * 1024
_MAX_REASON = 300


class RoomSession:
    """Delivers bodies to one room; the session key is kept until the room refuses it."""

    def __init__(
        self, room: RoomSettings, sender: Party, http: aiohttp.ClientSession, timeout_seconds: float
    ) -> None:
        self._room = room
        self._sender = sender
        self._http = http
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._key = ""
        self._authenticating = asyncio.Lock()

    async def deliver(self, body: str) -> None:
        """Returns when the room has taken it.

        A refusal is tried once more with a new session key. Raises RoomRefused, or RoomUnavailable
        when nobody knows whether it was taken.
        """
        key = self._key
        if key:
            try:
                await self._call("EVENT", self._room.event_path, key, body)
                return
            except RoomRefused:
                pass
        key = await self._authenticate(key)
        await self._call("EVENT", self._room.event_path, key, body)

    async def _authenticate(self, refused: str) -> str:
        """A key other than `refused`: another delivery may have got one meanwhile."""
        async with self._authenticating:
            if self._key == refused:
                self._key = ""
                body = auth_body(self._room.api_key.get_secret_value())
                try:
                    key = await self._call("AUTH", self._room.auth_path, "", body)
                except RoomRefused as error:
                    # Without a session no message can be delivered, whichever it is.
                    raise RoomUnavailable(str(error)) from error
                if not (key.isascii() and key.isprintable() and key.strip()):
                    raise RoomUnavailable("AUTH: expected a session key in message")
                self._key = key
            return self._key

    async def _call(self, service: ServiceType, path: str, key: str, body: str) -> str:
        """The answer's `message`."""
        headers, data = envelope(
            service, self._sender, self._room.receive_code, key, datetime.now(UTC), body
        )
        try:
            async with self._http.post(
                self._room.url.rstrip("/") + path,
                data=data,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                status, raw = response.status, await _read(response)
        except TimeoutError:
            raise RoomUnavailable(f"{service}: no answer in {self._timeout.total:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise RoomUnavailable(f"{service}: {type(error).__name__}: {_safe(error)}") from error
        return _message(service, status, raw)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > _MAX_ANSWER:
            raise RoomUnavailable(f"the answer is longer than {_MAX_ANSWER} bytes")
    return bytes(raw)


def _message(service: str, status: int, raw: bytes) -> str:
    if status >= 500:
        raise RoomUnavailable(f"{service}: HTTP {status}")
    try:
        fields = json.loads(raw)
        result, message = str(fields["result"]), str(fields.get("message", ""))
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        if status in (401, 403):
            raise RoomRefused(f"{service}: HTTP {status}") from None
        raise RoomUnavailable(f"{service}: HTTP {status}, expected an SCSNS answer") from None
    if result != "0":
        raise RoomRefused(f"{service}: {_safe(message)}")
    if not 200 <= status < 300:
        raise RoomUnavailable(f"{service}: HTTP {status} with result 0")
    return message


def _safe(text: object) -> str:
    """Short, and such that the database takes it."""
    short = str(text)[:_MAX_REASON].replace("\x00", "")
    return short.encode(errors="replace").decode()
