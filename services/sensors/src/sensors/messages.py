"""Between the protocol's messages and the domain."""

from collections.abc import Sequence
from datetime import UTC, datetime

from city.sensors.v1 import sensors_pb2 as pb
from city.type.v1 import position_pb2
from city_backbone.errors import InvalidArgument
from google.protobuf.timestamp_pb2 import Timestamp

from sensors.domain.alert import Level
from sensors.domain.area import Alert
from sensors.domain.cai import PollutantIndex
from sensors.domain.pollutant import Pollutant, to_value
from sensors.domain.quality import RawMeasurement, RawReading
from sensors.domain.station import Station, StationKind, station
from sensors.errors import InvalidStation
from sensors.ingest import Result, Status
from sensors.store.air_quality import AirQuality

_POLLUTANTS = {pb.Pollutant.Value(f"POLLUTANT_{known.name}"): known for known in Pollutant}
_KINDS = {pb.StationKind.Value(f"STATION_KIND_{known.name}"): known for known in StationKind}
_LEVELS = {
    Level.NONE: pb.ALERT_LEVEL_LIFTED,
    Level.ADVISORY: pb.ALERT_LEVEL_ADVISORY,
    Level.WARNING: pb.ALERT_LEVEL_WARNING,
}


def timestamp(time: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(time)
    return message


def pollutant_message(pollutant: Pollutant) -> pb.Pollutant.ValueType:
    return pb.Pollutant.Value(f"POLLUTANT_{pollutant.name}")


def position_message(latitude: float, longitude: float) -> position_pb2.Position:
    return position_pb2.Position(latitude=latitude, longitude=longitude)


def station_from(message: pb.Station) -> Station:
    """Raises InvalidArgument naming the field, as `station.<field>`."""
    try:
        return station(
            station_id=message.station_id,
            name=message.name,
            dong=message.dong,
            latitude=message.position.latitude,
            longitude=message.position.longitude,
            kind=_KINDS.get(message.kind),
            pollutants=[_POLLUTANTS.get(number) for number in message.pollutants],
            interval_minutes=message.interval_minutes,
        )
    except InvalidStation as error:
        raise InvalidArgument(f"station.{error.field}", error.expected) from error


def station_message(known: Station) -> pb.Station:
    return pb.Station(
        station_id=known.station_id,
        name=known.name,
        dong=known.dong,
        position=position_message(known.latitude, known.longitude),
        kind=pb.StationKind.Value(f"STATION_KIND_{known.kind.name}"),
        pollutants=[pollutant_message(pollutant) for pollutant in known.pollutants],
        interval_minutes=known.interval_minutes,
        retired=known.retired,
    )


def reading_from(message: pb.Reading) -> RawReading:
    """Whatever it holds; the quality checks judge it."""
    return RawReading(
        station_id=message.station_id,
        measured_at=_time_from(message),
        measurements=tuple(
            RawMeasurement(_POLLUTANTS.get(measurement.pollutant), measurement.value)
            for measurement in message.measurements
        ),
    )


def _time_from(message: pb.Reading) -> datetime | None:
    if not message.HasField("measured_at"):
        return None
    try:
        return message.measured_at.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def result_message(index: int, result: Result) -> pb.ReadingResult:
    return pb.ReadingResult(
        index=index,
        status=pb.ReadingStatus.Value(f"READING_STATUS_{result.status.name}"),
        problems=[
            pb.Problem(
                reason=pb.ProblemReason.Value(f"PROBLEM_REASON_{problem.reason.name}"),
                field=problem.field,
                message=problem.message,
            )
            for problem in result.problems
        ],
    )


def publish_answer(results: Sequence[Result]) -> pb.PublishReadingsResponse:
    """Counts, and the results that say more than accepted or duplicate."""
    statuses = [result.status for result in results]
    return pb.PublishReadingsResponse(
        accepted=statuses.count(Status.ACCEPTED),
        duplicates=statuses.count(Status.DUPLICATE),
        refused=statuses.count(Status.REFUSED),
        results=[
            result_message(index, result) for index, result in enumerate(results) if result.problems
        ],
    )


def air_quality_message(known: AirQuality) -> pb.AirQuality:
    hour, assessment = known.hour, known.hour.assessment
    return pb.AirQuality(
        station_id=hour.station_id,
        dong=known.dong,
        position=position_message(known.latitude, known.longitude),
        hour_end=timestamp(hour.hour_end),
        revision=hour.revision,
        index=assessment.index,
        grade=_grade(assessment.grade),
        dominant_pollutant=(
            pollutant_message(assessment.dominant)
            if assessment.dominant
            else pb.POLLUTANT_UNSPECIFIED
        ),
        pollutants=[_pollutant_air_quality(assessed) for assessed in assessment.pollutants],
        completeness=hour.completeness,
        silent=known.silent,
    )


def _pollutant_air_quality(assessed: PollutantIndex) -> pb.PollutantAirQuality:
    found = assessed.sub_index
    message = pb.PollutantAirQuality(
        pollutant=pollutant_message(assessed.pollutant), hourly_mean=to_value(assessed.hourly_mean)
    )
    if found is not None:
        message.assessed_concentration = to_value(found.concentration)
        message.index = found.index
        message.grade = _grade(found.grade)
    return message


def _grade(grade: str) -> pb.Grade.ValueType:
    return pb.Grade.Value("GRADE_UNSPECIFIED" if grade == "UNKNOWN" else f"GRADE_{grade}")


def alert_message(alert: Alert) -> pb.Alert:
    return pb.Alert(
        alert_id=str(alert.alert_id),
        dong=alert.dong,
        pollutant=pollutant_message(alert.pollutant),
        level=_LEVELS[alert.level],
        issued_at=timestamp(alert.issued_at),
        lifted_at=None if alert.level else timestamp(alert.changed_at),
        rule_version=alert.rule_version,
        changes=[
            pb.AlertChange(
                sequence=change.sequence,
                level=_LEVELS[change.level],
                changed_at=timestamp(change.changed_at),
            )
            for change in alert.changes
        ],
    )
