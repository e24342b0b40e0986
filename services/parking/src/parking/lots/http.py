"""GET /lots.geojson, open to every origin: it holds no personal data."""

import asyncio
import hashlib
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.web_response import Response
from city_backbone.database import Database
from city_backbone.errors import Transient

from parking.lots.geojson import lots_geojson

_MAX_AGE_SECONDS = 5
# However many ask, the database is asked so often.
_FRESH_SECONDS = 1.0


class LotMap:
    """The map, read again when it is older than a second."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._turn = asyncio.Lock()
        self._read_at = float("-inf")
        self._body = b""
        self._etag = ""

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/lots.geojson", self._get)]

    async def _get(self, request: web.Request) -> web.Response:
        try:
            body, etag = await self._read()
        except Transient:
            raise web.HTTPServiceUnavailable(text="the database is away, try again") from None
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": f"max-age={_MAX_AGE_SECONDS}",
        }
        known = {tag.value for tag in request.if_none_match or ()}
        if known & {etag, "*"}:
            response = Response(status=304, headers=headers)
        else:
            response = Response(
                body=body, headers={**headers, "Content-Type": "application/geo+json"}
            )
        response.etag = etag
        return response

    async def _read(self) -> tuple[bytes, str]:
        async with self._turn:
            if self._clock() - self._read_at >= _FRESH_SECONDS:
                async with self._database.transaction() as connection:
                    self._body = await lots_geojson(connection)
                self._etag = hashlib.sha256(self._body).hexdigest()[:32]
                self._read_at = self._clock()
            return self._body, self._etag
