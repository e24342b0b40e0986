"""The Confluent-compatible schema registry, read only: schemas are registered at deploy."""

import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
from psycopg.types.json import Jsonb
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from city_backbone.database import Database
from city_backbone.errors import RegistryUnavailable, Undecodable
from city_backbone.settings import RegistrySettings


def canonical(schema: Any) -> str:
    """The text under which a schema is registered: registries compare schemas by their text."""
    return json.dumps(schema)


_AWAY_SECONDS = 1.0


class SchemaRegistry:
    """Schemas by id. An id once seen is kept in memory and in the database.

    So a registry that is away stops only ids never seen before, across restarts too.
    """

    def __init__(self, settings: RegistrySettings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._session: aiohttp.ClientSession | None = None
        self._schemas: dict[int, Any] = {}
        self._away_until = 0.0

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_seconds)
        )
        async with self._database.transaction() as connection:
            rows = await connection.execute("select id, schema from known_schema")
            self._schemas = {row["id"]: row["schema"] async for row in rows}

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    def known(self, schema_id: int) -> Any | None:
        """The schema's JSON if it was seen before, without asking anybody."""
        return self._schemas.get(schema_id)

    async def schema(self, schema_id: int) -> Any:
        """Raises RegistryUnavailable when unknown and the registry is away, Undecodable when
        the registry has no such id."""
        if schema_id not in self._schemas:
            if time.monotonic() < self._away_until:  # a batch of unknown ids is one question
                raise RegistryUnavailable("registry: away a moment ago")
            try:
                answer = await self._ask(f"/schemas/ids/{schema_id}", None)
            except RegistryUnavailable:
                self._away_until = time.monotonic() + _AWAY_SECONDS
                raise
            if answer is None:
                raise Undecodable(f"schema id {schema_id}: unknown to the registry")
            if answer.get("schemaType", "AVRO") != "AVRO":
                raise Undecodable(f"schema id {schema_id}: expected AVRO")
            await self._learn(schema_id, None, answer["schema"])
        return self._schemas[schema_id]

    async def writer_id(self, subject: str, schema: Any) -> int:
        """The id under which `schema` was registered for `subject` at deploy.

        Raises RegistryUnavailable when the registry is away and the id was never seen,
        Undecodable when the schema is not registered.
        """
        text = canonical(schema)
        try:
            answer = await self._ask(f"/subjects/{subject}", {"schema": text})
        except RegistryUnavailable:
            async with self._database.transaction() as connection:
                found = await connection.execute(
                    "select id from known_schema where subject = %s and schema = %s",
                    (subject, Jsonb(schema)),
                )
                row = await found.fetchone()
            if row is None:
                raise
            return int(row["id"])
        if answer is None:
            raise Undecodable(
                f"{subject}: this service's schema is not registered; meshctl apply does it"
            )
        schema_id = int(answer["id"])
        await self._learn(schema_id, subject, text)
        return schema_id

    async def _learn(self, schema_id: int, subject: str | None, text: str) -> None:
        async with self._database.transaction() as connection:
            learned = await connection.execute(
                "insert into known_schema (id, subject, schema) values (%s, %s, %s::jsonb)"
                " on conflict (id) do update"
                " set subject = coalesce(excluded.subject, known_schema.subject)"
                " returning schema",
                (schema_id, subject, text),
            )
            row = await learned.fetchone()
        assert row is not None
        self._schemas[schema_id] = row["schema"]

    @retry(
        retry=retry_if_exception_type(RegistryUnavailable),
        stop=stop_after_attempt(3),
        wait=wait_random_exponential(0.05, max=0.5),
        reraise=True,
    )
    async def _ask(self, path: str, body: dict[str, str] | None) -> dict[str, Any] | None:
        assert self._session, "open() first"
        method: Callable[..., Any] = self._session.get if body is None else self._session.post
        try:
            async with method(
                self._settings.url.rstrip("/") + path, **({"json": body} if body else {})
            ) as response:
                if response.status == 404:
                    return None
                if response.status != 200:
                    raise RegistryUnavailable(f"registry answered {response.status}")
                answer: dict[str, Any] = await response.json(content_type=None)
                return answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise RegistryUnavailable(f"registry: {type(error).__name__} {error}") from error
