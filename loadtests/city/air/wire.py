"""The model's stations and readings as messages of city.sensors.v1."""

import uuid
from collections.abc import Iterable

from city.sensors.v1 import sensors_pb2 as pb
from city.type.v1 import position_pb2

from loadtests.city.air.model import INTERVAL, Reading, Station
from loadtests.city.air.rates import Pollutant

_NAMESPACE = uuid.UUID("5d0c7a58-5b7e-5c6e-9a39-0c1f5f0f7a11")
_POLLUTANTS = {p: pb.Pollutant.Value(f"POLLUTANT_{p}") for p in Pollutant}


def registration(station: Station) -> pb.RegisterStationRequest:
    """The same station makes the same idempotency key."""
    described = pb.Station(
        station_id=station.station_id,
        name=station.name,
        dong=station.dong.name,
        position=_position(station.latitude, station.longitude),
        kind=pb.STATION_KIND_IOT,
        pollutants=list(_POLLUTANTS.values()),
        interval_minutes=int(INTERVAL.total_seconds()) // 60,
    )
    key = uuid.uuid5(_NAMESPACE, described.SerializeToString(deterministic=True).hex())
    return pb.RegisterStationRequest(idempotency_key=str(key), station=described)


def box(stations: Iterable[Station]) -> pb.GetMapRequest:
    """The box around the stations."""
    latitudes, longitudes = zip(*((s.latitude, s.longitude) for s in stations), strict=True)
    return pb.GetMapRequest(
        south_west=_position(min(latitudes), min(longitudes)),
        north_east=_position(max(latitudes), max(longitudes)),
    )


def published(readings: Iterable[Reading]) -> pb.PublishReadingsRequest:
    """One message of a PublishReadings call."""
    request = pb.PublishReadingsRequest()
    for reading in readings:
        sent = request.readings.add(station_id=reading.station_id)
        sent.measured_at.FromDatetime(reading.measured_at)
        for pollutant, value in reading.values.items():
            sent.measurements.add(pollutant=_POLLUTANTS[pollutant], value=value)
    return request


def _position(latitude: float, longitude: float) -> position_pb2.Position:
    return position_pb2.Position(latitude=latitude, longitude=longitude)
