"""POST /onvif/notify: where cameras send their WS-BaseNotification messages.

A camera's consumer address is its own: /onvif/notify?camera_id=…, since what a camera says of its
video source is the same on every camera of a model. It proves itself by the city's key, as HTTP
basic password or as key= in the address. What can be read is answered 200, also when it is
parked: a camera must not send it again for ever. 503 and 5xx mean that it may.
"""

import asyncio
import base64
import hmac

import structlog
from aiohttp import web
from city_backbone.errors import Transient
from opentelemetry.metrics import Meter
from pydantic import SecretStr

from cameras.ingest import soap
from cameras.ingest.detection import is_track
from cameras.ingest.notifications import Notifications

log = structlog.get_logger()

PATH = "/onvif/notify"
REQUESTS_METRIC = "city.cameras.onvif_requests"  # by HTTP status

_CHUNK = 64 * 1024
_REALM = {"WWW-Authenticate": 'Basic realm="citymesh", charset="UTF-8"'}


class NotifyEndpoint:
    """Bounded in size and time; the body of a caller without the key is not read."""

    def __init__(
        self,
        notifications: Notifications,
        key: SecretStr | None,
        max_bytes: int,
        read_seconds: float,
        meter: Meter,
    ) -> None:
        self._notifications = notifications
        self._key = None if key is None else key.get_secret_value().encode()
        self._max_bytes = max_bytes
        self._read_seconds = read_seconds
        self._namespaces = notifications.namespaces
        self._counter = meter.create_counter(REQUESTS_METRIC)

    async def notify(self, request: web.Request) -> web.Response:
        response = await self._answer(request)
        self._counter.add(1, {"status": response.status})
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        if self._key is None:
            return web.Response(
                status=503, text="CAMERAS_INGEST__ONVIF_KEY is not set: no notification is taken\n"
            )
        if not self._let_in(request, self._key):
            return _fault(401, "expected the city's key, as basic password or key=", _REALM)
        camera_id = request.query.get("camera_id", "")
        if not is_track(camera_id):
            return _fault(400, "camera_id: expected the camera's id in the address, ?camera_id=…")
        try:
            body = await self._body(request)
        except _TooLarge:
            return _fault(413, f"body: expected at most {self._max_bytes} bytes")
        except TimeoutError:
            return _fault(408, f"body: expected within {self._read_seconds:g} s")
        try:
            notify = soap.read(body, self._namespaces)
        except soap.Malformed as error:
            log.warning("notification refused", camera_id=camera_id, error=type(error).__name__)
            return _fault(400, str(error), version=error.soap)
        try:
            await self._notifications.take(camera_id, notify.messages)
        except Transient as error:
            log.warning("notification not taken", camera_id=camera_id, error=repr(error))
            return _fault(503, "not taken, try again", version=notify.soap)
        return web.Response()

    def _let_in(self, request: web.Request, key: bytes) -> bool:
        offered = (request.query.get("key", ""), _password(request))
        return any(hmac.compare_digest(one.encode(errors="replace"), key) for one in offered)

    async def _body(self, request: web.Request) -> bytes:
        body = bytearray()
        async with asyncio.timeout(self._read_seconds):
            while chunk := await request.content.read(_CHUNK):
                body += chunk
                if len(body) > self._max_bytes:
                    raise _TooLarge
        return bytes(body)


def _password(request: web.Request) -> str:
    """Of HTTP basic authentication; empty when there is none, or it is none."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


class _TooLarge(Exception):
    pass


def _fault(
    status: int,
    text: str,
    headers: dict[str, str] | None = None,
    version: str = soap.SOAP_12,
) -> web.Response:
    body, content_type = soap.fault(text, version, sender=status < 500)
    return web.Response(
        status=status, body=body, content_type=content_type, charset="utf-8", headers=headers
    )
