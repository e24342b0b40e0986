"""city.sensors.v1.SensorsService."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from city.sensors.v1 import sensors_pb2 as pb
from city.sensors.v1 import sensors_pb2_grpc
from city.type.v1 import position_pb2
from city_backbone.database import Connection, Database
from city_backbone.errors import InvalidArgument, NotFound
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.admission import Admission
from city_backbone.rpc.once import Once
from city_backbone.rpc.paging import page_size, page_token, parse_page_token
from city_backbone.rpc.watch import follow

from sensors import messages
from sensors.domain.station import is_station_id
from sensors.ingest import Ingest, Result
from sensors.registering import Registering
from sensors.store import air_quality, alerts, stations

NAME = "city.sensors.v1.SensorsService"
MAX_READINGS_PER_CALL = 10_000
MAX_READINGS_PER_MESSAGE = 1_000
_MAX_ON_MAP = 5_000
_WATCH_BATCH = 500

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class SensorsServicer(sensors_pb2_grpc.SensorsServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        ingest: Ingest,
        admission: Admission,
        registering: Registering,
        stopping: asyncio.Event,
        watch_every_seconds: float,
    ) -> None:
        self._database = database
        self._once = Once(database, idempotency)
        self._ingest = ingest
        self._admission = admission
        self._registering = registering
        self._stopping = stopping
        self._watch_every_seconds = watch_every_seconds

    async def RegisterStation(
        self, request: pb.RegisterStationRequest, context: Context
    ) -> pb.RegisterStationResponse:
        station = messages.station_from(request.station)

        async def effect(connection: Connection) -> pb.RegisterStationResponse:
            registered = await self._registering.register(connection, station)
            return pb.RegisterStationResponse(station=messages.station_message(registered))

        return await self._once(request, context, pb.RegisterStationResponse, effect)

    async def RetireStation(
        self, request: pb.RetireStationRequest, context: Context
    ) -> pb.RetireStationResponse:
        station_id = _station_id(request.station_id)

        async def effect(connection: Connection) -> pb.RetireStationResponse:
            retired = await self._registering.retire(connection, station_id)
            return pb.RetireStationResponse(station=messages.station_message(retired))

        return await self._once(request, context, pb.RetireStationResponse, effect)

    async def GetStation(
        self, request: pb.GetStationRequest, context: Context
    ) -> pb.GetStationResponse:
        station_id = _station_id(request.station_id)
        async with self._database.transaction() as connection:
            found = await stations.find(connection, [station_id])
        if station_id not in found:
            raise NotFound("station", station_id)
        return pb.GetStationResponse(station=messages.station_message(found[station_id]))

    async def ListStations(
        self, request: pb.ListStationsRequest, context: Context
    ) -> pb.ListStationsResponse:
        size = page_size(request.page_size)
        match parse_page_token(request.page_token):
            case []:
                after = ""
            case [str(after)]:
                pass
            case _:
                raise _foreign_token()
        async with self._database.transaction() as connection:
            found = await stations.page(connection, request.dong, after, size + 1)
        response = pb.ListStationsResponse(
            stations=[messages.station_message(station) for station in found[:size]]
        )
        if len(found) > size:
            response.next_page_token = page_token([found[size - 1].station_id])
        return response

    async def PublishReadings(
        self, request_iterator: AsyncIterator[pb.PublishReadingsRequest], context: Context
    ) -> pb.PublishReadingsResponse:
        """One transaction per message: a call that is cut off keeps what went before."""
        results: list[Result] = []
        with self._admission.call() as turn:
            async for request in request_iterator:
                turn.begin()
                self._admission.check()
                if len(request.readings) > MAX_READINGS_PER_MESSAGE:
                    raise InvalidArgument(
                        "readings", f"expected at most {MAX_READINGS_PER_MESSAGE} in a message"
                    )
                if len(results) + len(request.readings) > MAX_READINGS_PER_CALL:
                    raise InvalidArgument(
                        "readings", f"expected at most {MAX_READINGS_PER_CALL} in a call"
                    )
                readings = [messages.reading_from(reading) for reading in request.readings]
                if readings:
                    async with self._database.transaction() as connection:
                        taken = await self._ingest.take(connection, readings)
                    self._ingest.count(taken)
                    results.extend(taken)
                turn.end()
        return messages.publish_answer(results)

    async def GetAirQuality(
        self, request: pb.GetAirQualityRequest, context: Context
    ) -> pb.GetAirQualityResponse:
        station_id = _station_id(request.station_id)
        async with self._database.transaction() as connection:
            found = await air_quality.find(connection, station_id)
        if found is None:
            raise NotFound("air quality of station", station_id)
        return pb.GetAirQualityResponse(air_quality=messages.air_quality_message(found))

    async def GetMap(self, request: pb.GetMapRequest, context: Context) -> pb.GetMapResponse:
        south_west = _corner("south_west", request.south_west)
        north_east = _corner("north_east", request.north_east)
        for axis, name in enumerate(("latitude", "longitude")):
            if south_west[axis] > north_east[axis]:
                raise InvalidArgument(
                    f"north_east.{name}", f"expected south_west's or more, {south_west[axis]:g}"
                )
        async with self._database.transaction() as connection:
            found = await air_quality.inside(connection, south_west, north_east, _MAX_ON_MAP)
        return pb.GetMapResponse(
            air_qualities=[messages.air_quality_message(known) for known in found]
        )

    async def ListAlerts(
        self, request: pb.ListAlertsRequest, context: Context
    ) -> pb.ListAlertsResponse:
        size = page_size(request.page_size)
        before = _alert_place(request.page_token)
        async with self._database.transaction() as connection:
            found = await alerts.page(
                connection, request.dong, request.active_only, before, size + 1
            )
        response = pb.ListAlertsResponse(
            alerts=[messages.alert_message(alert) for alert in found[:size]]
        )
        if len(found) > size:
            last = found[size - 1]
            response.next_page_token = page_token([last.issued_at.isoformat(), str(last.alert_id)])
        return response

    async def WatchAirQuality(
        self, request: pb.WatchAirQualityRequest, context: Context
    ) -> AsyncIterator[pb.WatchAirQualityResponse]:
        """The newest hour of each station; one overtaken before it was sent is left out."""
        cursor = request.cursor or "0"
        if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 18:
            raise InvalidArgument("cursor", "expected a cursor of an earlier answer")

        async def fetch(after: int) -> Sequence[tuple[int, air_quality.AirQuality]]:
            async with self._database.transaction() as connection:
                found = await air_quality.changed(connection, request.dong, after, _WATCH_BATCH)
            return [(known.change, known) for known in found]

        async for change, known in follow(
            fetch, int(cursor), self._stopping, self._watch_every_seconds
        ):
            yield pb.WatchAirQualityResponse(
                air_quality=messages.air_quality_message(known), cursor=str(change)
            )


def _station_id(value: str) -> str:
    if not is_station_id(value):
        raise InvalidArgument("station_id", "expected 1 to 64 of a-z, 0-9 and hyphen")
    return value


def _corner(field: str, position: position_pb2.Position) -> tuple[float, float]:
    corner = (position.latitude, position.longitude)
    for value, limit, name in zip(corner, (90, 180), ("latitude", "longitude"), strict=True):
        if not math.isfinite(value) or abs(value) > limit:
            raise InvalidArgument(f"{field}.{name}", f"expected -{limit} to {limit} degrees")
    return corner


def _alert_place(token: str) -> tuple[datetime, UUID] | None:
    match parse_page_token(token):
        case []:
            return None
        case [str(issued_at), str(alert_id)]:
            try:
                return datetime.fromisoformat(issued_at), UUID(alert_id)
            except ValueError:
                raise _foreign_token() from None
        case _:
            raise _foreign_token()


def _foreign_token() -> InvalidArgument:
    return InvalidArgument("page_token", "expected a next_page_token of the same method")
