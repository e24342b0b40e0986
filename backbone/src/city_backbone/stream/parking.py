"""Events whose schema nobody can tell us now wait in the database, with all of their key."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import ConsumerRecord
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from city_backbone import telemetry
from city_backbone.database import Connection, Database
from city_backbone.errors import Transient
from city_backbone.outbox import pack_headers, unpack_headers
from city_backbone.waiting import pause

if TYPE_CHECKING:
    from city_backbone.stream.worker import Worker

log = structlog.get_logger()

_INTERVAL_SECONDS = 2.0
_BATCH = 100
_LOCK = 0x7061726B  # "park"


async def parked_keys(connection: Connection, topic: str) -> set[bytes | None]:
    """Keys of `topic` that have an event waiting: later ones must wait behind it."""
    rows = await connection.execute(
        "select distinct key from parked_event where topic = %s", (topic,)
    )
    return {None if row["key"] is None else bytes(row["key"]) async for row in rows}


async def park(
    connection: Connection, topic: str, records: Sequence[ConsumerRecord], reason: str
) -> None:
    """Keep the records with this transaction; again is harmless."""
    for record in records:
        await connection.execute(
            'insert into parked_event (topic, partition, "offset", key, value, headers, reason)'
            " values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            (
                topic,
                record.partition,
                record.offset,
                record.key,
                record.value,
                json.dumps(pack_headers(record.headers)),
                reason,
            ),
        )


class Unparker:
    """Tries what is parked, oldest first, until it is handled or dead-lettered."""

    def __init__(self, database: Database, worker: "Worker", meter: Meter) -> None:
        self._database = database
        self._worker = worker
        self._count = 0
        meter.create_observable_gauge(telemetry.PARKED, [self._observe])

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await self._round()
            except Transient as error:
                log.info("parked events stay", error=repr(error))
            await pause(stopping, _INTERVAL_SECONDS)

    async def _round(self) -> None:
        async with self._database.transaction() as connection:
            locked = await connection.execute(
                "select pg_try_advisory_xact_lock(%s) as locked", (_LOCK,)
            )
            row = await locked.fetchone()
            selected = await connection.execute(
                "select * from parked_event order by id limit %s", (_BATCH,)
            )
            rows = await selected.fetchall()
            self._count = len(rows)
            if not rows or not row or not row["locked"]:
                return
            waiting: set[tuple[str, bytes | None]] = set()
            for parked in rows:
                record = _record(parked)
                behind = (record.topic, record.key)
                if behind not in waiting and await self._worker.retry_parked(record):
                    await connection.execute(
                        "delete from parked_event where id = %s", (parked["id"],)
                    )
                else:
                    waiting.add(behind)

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self._count)]


def _record(row: Mapping[str, Any]) -> ConsumerRecord:
    return ConsumerRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        timestamp=int(row["parked_at"].timestamp() * 1000),
        timestamp_type=0,
        key=None if row["key"] is None else bytes(row["key"]),
        value=None if row["value"] is None else bytes(row["value"]),
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=tuple(unpack_headers(row["headers"])),
    )
