"""The routes: POST /fhir and /fhir/Observation, GET /fhir/Observation and /fhir/metadata.

All that is not done is answered with an OperationOutcome, which tells nothing that was sent, and
neither do the logs. 503 and what is worse mean: send it again, that is safe.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeAlias

import structlog
from aiohttp import web
from city_backbone.audit.act import Origin
from city_backbone.errors import Transient
from city_backbone.http import MAX_BODY_BYTES
from pydantic import SecretStr

from health.fhir import answers, document
from health.fhir.bundle import Parcel, parse
from health.fhir.capability import capability_statement
from health.fhir.desk import Desk
from health.fhir.query import parse_query
from health.fhir.refused import Refused
from health.fhir.search import Search
from health.fhir.telemetry import Metrics

log = structlog.get_logger()

READ_SECONDS = 10.0

_CHUNK = 64 * 1024
_TYPES = ("application/fhir+json", "application/json")
_Work: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]
_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FhirEndpoint:
    """Bounded in size and time; the body of a caller without the key is not read."""

    def __init__(
        self,
        desk: Desk,
        search: Search,
        key: SecretStr | None,
        max_entries: int,
        clock: Callable[[], datetime],
        metrics: Metrics,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._desk = desk
        self._search = search
        self._key = None if key is None else key.get_secret_value().encode()
        self._max_entries = max_entries
        self._clock = clock
        self._metrics = metrics
        self._read_seconds = read_seconds
        self._capability = capability_statement(max_entries)

    def routes(self) -> list[web.RouteDef]:
        send = self._answering("send", self._send)
        other = self._answering("other", self._other)
        return [
            web.post("/fhir", send),
            web.post("/fhir/Observation", send),
            web.get("/fhir/Observation", self._answering("search", self._searched)),
            web.get("/fhir/metadata", self._answering("metadata", self._metadata)),
            *(web.route("*", path, other) for path in ("/fhir", "/fhir/{rest:.*}")),
        ]

    def _answering(self, interaction: str, work: _Work) -> _Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                response = await work(request)
            except Refused as refusal:
                # The words of a refusal are ours, and its expression has only FHIR's names.
                log.warning(
                    "fhir request refused",
                    interaction=interaction,
                    outcome=refusal.status,
                    code=refusal.code,
                    expression=refusal.expression,
                )
                response = _refusal(refusal)
            except Transient as error:
                log.warning("fhir request not served", interaction=interaction, error=repr(error))
                response = _refusal(Refused(503, "transient", "try again"))
            except Exception as error:
                log.error("fhir request failed", interaction=interaction, exc_info=error)
                response = _refusal(Refused(500, "exception", "this is a fault of the department"))
            self._metrics.request(interaction, response.status)
            return response

        return handler

    async def _send(self, request: web.Request) -> web.Response:
        if self._key is None:
            raise Refused(503, "not-supported", "HEALTH_FHIR__KEY is not set: nothing is taken")
        if not hmac.compare_digest(_bearer(request).encode(errors="replace"), self._key):
            raise Refused(401, "login", "expected Authorization: Bearer and the department's key")
        body = await self._body(request)
        parcel = await asyncio.to_thread(self._parsed, body)
        if parcel.bundled and request.path != "/fhir":
            raise Refused(422, "not-supported", "expected a Bundle at /fhir", "Bundle")
        stored = await self._desk.take(parcel.sent)
        if parcel.bundled:
            return _json(200, answers.transaction_response(stored))
        [one] = stored
        response = _json(201, answers.stored(one))
        response.headers["Location"] = f"/fhir/{answers.location(one)}"
        return response

    def _parsed(self, body: bytes) -> Parcel:
        return parse(document.read(body), self._max_entries, self._clock())

    async def _searched(self, request: web.Request) -> web.Response:
        token = _bearer(request)
        if not token:
            raise Refused(401, "login", "expected Authorization: Bearer and the person's token")
        query = parse_query(request.query.items())
        found = await self._search.find(token, query, Origin("", request.remote or ""))
        response = _json(200, found)
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _metadata(self, _: web.Request) -> web.Response:
        return _json(200, self._capability)

    async def _other(self, request: web.Request) -> web.Response:
        known = {"/fhir": "POST", "/fhir/Observation": "GET, POST", "/fhir/metadata": "GET"}
        methods = known.get(request.path)
        if methods is None:
            raise Refused(404, "not-supported", f"expected one of {', '.join(known)}")
        response = _refusal(Refused(405, "not-supported", f"expected {methods}"))
        response.headers["Allow"] = methods
        return response

    async def _body(self, request: web.Request) -> bytes:
        charset = request.charset or "utf-8"
        if request.content_type not in _TYPES or charset.lower() not in ("utf-8", "utf8"):
            raise Refused(415, "not-supported", f"expected {' or '.join(_TYPES)} in UTF-8")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused(415, "not-supported", "expected no Content-Encoding")
        body = bytearray()
        try:
            async with asyncio.timeout(self._read_seconds):
                while chunk := await request.content.read(_CHUNK):
                    body += chunk
                    if len(body) > MAX_BODY_BYTES:
                        raise Refused(413, "too-long", f"expected at most {MAX_BODY_BYTES} bytes")
        except TimeoutError:
            expected = f"expected the body within {self._read_seconds:g} s"
            raise Refused(408, "timeout", expected) from None
        except (web.RequestPayloadError, OSError):
            raise Refused(400, "structure", "expected a body in HTTP's form") from None
        return bytes(body)


def _bearer(request: web.Request) -> str:
    """Empty when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refusal(refusal: Refused) -> web.Response:
    response = _json(refusal.status, answers.outcome(refusal))
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="citymesh"'
    return response


def _json(status: int, resource: answers.Json) -> web.Response:
    return web.Response(
        status=status,
        body=json.dumps(resource, ensure_ascii=False, allow_nan=False).encode(),
        content_type="application/fhir+json",
        charset="utf-8",
    )
