"""While the registry is away, known schemas still work and unknown ones wait, in order."""

import json
import os
from collections.abc import Mapping
from typing import Any

import aiohttp
import fastavro
from city_backbone.testing import Mesh, eventually, run_service
from probe.bootstrap import ProbeSettings, bootstrap

from .proxy import proxy
from .things import DEAD, TOPIC, WRITER, Database, Source, number, outbox_is_empty


async def register(environment: Mapping[str, str], schema: Any) -> int:
    """The id of a schema that no service has seen, under a subject of its own."""
    subject = f"probe.parking-trial-{os.urandom(4).hex()}.v1-value"
    url = f"{environment['PROBE_REGISTRY__URL']}/subjects/{subject}/versions"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"schema": json.dumps(schema)}) as answer,
    ):
        return int((await answer.json(content_type=None))["id"])


async def parked(database: Database, source: Source) -> list[str]:
    rows = await database.execute(
        "select key from parked_event where convert_from(key, 'UTF8') like %s order by id",
        (f"{source.run}-%",),
    )
    return [bytes(row["key"]).decode() for row in await rows.fetchall()]


async def test_an_unknown_schema_holds_up_its_key_alone_until_the_registry_is_back(
    mesh: Mesh, source: Source, database: Database, environment: dict[str, str]
) -> None:
    newer = {**WRITER, "doc": f"Of another release, {source.run}."}
    schema = (await register(environment, newer), fastavro.parse_schema(newer))
    held, free = f"{source.run}-held", f"{source.run}-free"
    host = environment["PROBE_REGISTRY__URL"].removeprefix("http://").partition("/")[0]
    async with proxy(host) as registry:
        through = {
            "PROBE_REGISTRY__URL": environment["PROBE_REGISTRY__URL"].replace(
                host, registry.address
            ),
            "PROBE_REGISTRY__TIMEOUT_SECONDS": "1",
        }

        async def waiting(*keys: str) -> bool:
            return sorted(await parked(database, source)) == sorted(keys)

        async with run_service(mesh, ProbeSettings, bootstrap, "probe", through):
            await source.send([0], key="held")
            await source.has_counted(database, 1)
            await registry.cut()
            await source.send([1], key="held", schema=schema)
            await source.send([2], key="held")
            await source.send([3], key="free")
            await source.has_counted(database, 2)
            await eventually(lambda: waiting(held, held))
        async with run_service(mesh, ProbeSettings, bootstrap, "probe", through):
            await source.send([4], key="free")
            await source.send([5], key="held")
            await source.send([6, 7, 8], key="other-{}", schema=schema)
            await source.has_counted(database, 3)
            others = [f"{source.run}-other-{place}" for place in (6, 0, 1)]
            await eventually(lambda: waiting(held, held, held, *others))
            assert [row["count"] for row in await source.effects(database)] == [0, 3, 4]
            await registry.open()
            await source.has_counted(database, 9)
            await eventually(waiting)
            await source.send([9], key="held")
            await source.has_counted(database, 10)
            await outbox_is_empty(database)
    rows = await source.effects(database)
    assert [row["count"] for row in rows if row["thing_id"] == held] == [0, 1, 2, 5, 9]
    assert [row["count"] for row in rows if row["thing_id"] == free] == [3, 4]
    assert sorted(row["count"] for row in rows) == list(range(10))
    assert await source.records(environment, DEAD) == []
    assert await number(database, "select count(*) from parked_event where topic = %s", TOPIC) == 0
