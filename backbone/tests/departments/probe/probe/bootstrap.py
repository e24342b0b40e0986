"""Wires the probe: each counted thing becomes one row and one doubled event."""

from collections.abc import Sequence

from city_backbone.database import Connection
from city_backbone.errors import Unprocessable
from city_backbone.events import Event, OutgoingEvent, event_id
from city_backbone.runtime import Backbone, Service
from city_backbone.settings import ServiceSettings
from city_backbone.stream.worker import Subscription
from pydantic_settings import SettingsConfigDict


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

    return Service(subscriptions=[Subscription("probe.thing-counted.v1", double)])
