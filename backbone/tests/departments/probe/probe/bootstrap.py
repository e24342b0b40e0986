"""Wires the probe: each counted thing becomes one row and one doubled event.

Whoever asks how much was counted causes a doubled event too, so both ways end in the outbox.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import grpc
from aiohttp import web
from city_backbone.database import Connection
from city_backbone.errors import Unprocessable
from city_backbone.events import Event, OutgoingEvent, event_id
from city_backbone.runtime import Backbone, Service
from city_backbone.settings import ServiceSettings
from city_backbone.stream.subscription import Subscription
from pydantic_settings import SettingsConfigDict

SERVICE = "city.probe.v1.ProbeService"


class ProbeSettings(ServiceSettings):
    model_config = SettingsConfigDict(
        env_prefix="PROBE_", env_nested_delimiter="__", extra="ignore"
    )


async def bootstrap(backbone: Backbone[ProbeSettings]) -> Service:
    async def double(connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            if event.data["count"] < 0:
                raise Unprocessable(f"count: expected at least 0, got {event.data['count']}")
        await connection.execute(
            "insert into effect (event_id, thing_id, count, place)"
            " select * from unnest(%s::uuid[], %s::text[], %s::bigint[], %s::text[])",
            (
                [event.id for event in events],
                [event.key for event in events],
                [event.data["count"] for event in events],
                [f"{event.partition}:{event.offset}" for event in events],
            ),
        )
        await backbone.outbox.add(
            connection,
            [
                OutgoingEvent(
                    topic="probe.thing-doubled.v1",
                    key=event.key,
                    id=event_id("probe.thing-doubled.v1", event.id),
                    time=event.time,
                    data={"thing_id": event.key, "count": 2 * event.data["count"]},
                )
                for event in events
            ],
        )

    async def ask(request: bytes, context: Any) -> bytes:
        """Of how many things whose name begins so; answers the number, both in UTF-8."""
        name = request.decode()
        event = OutgoingEvent(
            topic="probe.thing-doubled.v1",
            key=name,
            id=event_id("probe.asked", name),
            time=datetime.now(UTC),
            data={"thing_id": name, "count": 0},
        )
        async with backbone.database.transaction() as connection:
            await backbone.outbox.add(connection, [event])
            counted = await connection.execute(
                "select count(*) from effect where thing_id like %s", (f"{name}-%",)
            )
            row = await counted.fetchone()
        return str(row["count"] if row else 0).encode()

    def add(ask: Any, server: Any) -> None:
        handlers: Any = {"Ask": grpc.unary_unary_rpc_method_handler(ask)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    return Service(
        servicers=[(add, ask, SERVICE)],
        subscriptions=[Subscription("probe.thing-counted.v1", double)],
        routes=[web.get("/hello", hello)],
    )
