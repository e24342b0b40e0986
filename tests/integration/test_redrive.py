"""Dead letters come back: what could not be handled is handled once its cause is gone."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from city.sensors.v1 import sensors_pb2, sensors_pb2_grpc
from city.type.v1.position_pb2 import Position
from city_backbone.events import OutgoingEvent, event_id
from city_backbone.testing import Mesh, RunningService, eventually, run_service
from sensors.bootstrap import bootstrap
from sensors.settings import SensorsSettings

TOPIC = "sensors.reading-taken.v1"
AT = datetime(2026, 11, 1, 3, tzinfo=UTC)


def reading_of(station_id: str) -> OutgoingEvent:
    measured = {"pollutant": "PM10", "value": 40.0, "quality": "GOOD"}
    data = {
        "station_id": station_id,
        "dong": "보람동",
        "measured_at": AT,
        "received_at": AT,
        "interval_minutes": 60,
        "measurements": [measured],
    }
    return OutgoingEvent(TOPIC, station_id, event_id("test", station_id), AT, data)


async def meshctl(mesh: Mesh, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshctl", *arguments, "--state", str(mesh.state)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, problem = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, problem.decode()
    return output.decode()


async def readings_of(service: RunningService[Any], station_id: str) -> int:
    async with service.backbone.database.transaction() as connection:
        rows = await connection.execute(
            "select coalesce(sum(readings), 0) as readings from hour_window where station_id = %s",
            (station_id,),
        )
        row = await rows.fetchone()
    return int(row["readings"]) if row else 0


async def test_a_dead_letter_is_handled_once_its_cause_is_gone(mesh: Mesh) -> None:
    station_id = f"late-{uuid4().hex[:8]}"
    event = reading_of(station_id)
    async with run_service(mesh, SensorsSettings, bootstrap, "sensors") as service:
        async with service.backbone.database.transaction() as connection:
            await service.backbone.outbox.add(connection, [event])

        async def on_topic(topic: str) -> list[str]:
            records = await meshctl(
                mesh, "tail", topic, "--from-beginning", "--until-end", "--json"
            )
            return [line for line in records.split("\n") if str(event.id) in line]

        async def buried() -> bool:
            return any("not registered" in line for line in await on_topic(f"{TOPIC}.sensors.dlt"))

        await eventually(buried, seconds=60, interval=0.5)
        stub: Any = sensors_pb2_grpc.SensorsServiceStub(service.channel)
        station = sensors_pb2.Station(
            station_id=station_id,
            name=station_id,
            dong="보람동",
            position=Position(latitude=36.5, longitude=127.3),
            kind=sensors_pb2.STATION_KIND_IOT,
            pollutants=[sensors_pb2.POLLUTANT_PM10],
            interval_minutes=60,
        )
        await stub.RegisterStation(
            sensors_pb2.RegisterStationRequest(idempotency_key=str(uuid4()), station=station),
            timeout=10,
        )
        assert "redriven" in await meshctl(mesh, "redrive", TOPIC, "sensors")

        async def handled() -> bool:
            return await readings_of(service, station_id) == 1

        await eventually(handled, seconds=30)
        assert len(await on_topic(TOPIC)) == 2
        await meshctl(mesh, "redrive", TOPIC, "sensors")
        assert len(await on_topic(TOPIC)) == 2
        assert await readings_of(service, station_id) == 1
