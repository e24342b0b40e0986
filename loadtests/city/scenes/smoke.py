"""The air around the fire scene: three stations of its own that report smoke in every hour."""

from collections.abc import Iterator
from dataclasses import dataclass

from city.sensors.v1 import sensors_pb2 as pb
from city.type.v1.position_pb2 import Position
from google.protobuf.timestamp_pb2 import Timestamp

from loadtests.city.cameras.places import Point, moved
from loadtests.city.cameras.stages import SHOPS_FRONT
from loadtests.city.cameras.wire import idempotency_key
from loadtests.city.seeded import draws

DONG = "신곡동"
HOURS = 13
"""Enough for the index: nine of the last twelve hours, three of the last four."""
# µg/m³, lowest and highest. Bad (나쁨) by the index, yet below the levels of an alert (150 and 75),
# which would open an incident of its own. The same in every hour: the index is a day's prediction,
# and playing again must not contradict what was reported before.
_PM10 = (138.0, 148.0)
_PM25 = (66.0, 73.0)
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class SmokeStation:
    """A low-cost station; degrees north and east."""

    station_id: str
    name: str
    point: Point


STATIONS = tuple(
    SmokeStation(
        f"uijeongbu-singok-{number}",
        f"{DONG} {number}",
        moved(SHOPS_FRONT.point, 80.0 * number, 120.0 * number),
    )
    for number in (1, 2, 3)
)


def registrations() -> Iterator[pb.RegisterStationRequest]:
    """The stations; the same idempotency keys every time."""
    for station in STATIONS:
        described = pb.Station(
            station_id=station.station_id,
            name=station.name,
            dong=DONG,
            position=_position(station.point),
            kind=pb.STATION_KIND_IOT,
            pollutants=[pb.POLLUTANT_PM10, pb.POLLUTANT_PM25],
            interval_minutes=60,
        )
        key = idempotency_key("smoke", described.SerializeToString(deterministic=True).hex())
        yield pb.RegisterStationRequest(idempotency_key=key, station=described)


def newest_hour(now: float) -> int:
    """The last whole hour, epoch seconds."""
    return int(now) // _HOUR * _HOUR


def readings(seed: int, now: float) -> pb.PublishReadingsRequest:
    """The hourly means of the last HOURS hours, oldest first."""
    request = pb.PublishReadingsRequest()
    newest = newest_hour(now)
    for end in range(newest - (HOURS - 1) * _HOUR, newest + 1, _HOUR):
        for station in STATIONS:
            draw = draws(seed, "smoke", station.station_id, end)
            sent = request.readings.add(
                station_id=station.station_id, measured_at=Timestamp(seconds=end)
            )
            sent.measurements.add(pollutant=pb.POLLUTANT_PM10, value=round(draw.uniform(*_PM10), 1))
            sent.measurements.add(pollutant=pb.POLLUTANT_PM25, value=round(draw.uniform(*_PM25), 1))
    return request


def box() -> pb.GetMapRequest:
    """The box around the stations."""
    north, east = zip(*(station.point for station in STATIONS), strict=True)
    return pb.GetMapRequest(
        south_west=_position((min(north), min(east))),
        north_east=_position((max(north), max(east))),
    )


def is_bad(answer: pb.GetMapResponse, hour: int) -> bool:
    """Whether every station's newest assessed hour is that one, and bad."""
    ours = {station.station_id for station in STATIONS}
    assessed = {
        one.station_id
        for one in answer.air_qualities
        if one.hour_end.seconds >= hour and one.grade >= pb.GRADE_BAD
    }
    return ours <= assessed


def _position(point: Point) -> Position:
    return Position(latitude=point[0], longitude=point[1])
