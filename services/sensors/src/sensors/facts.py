"""The department's events, in the form of their schemas under events/."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from city_backbone.events import OutgoingEvent, event_id

from sensors.domain.alert import HourMean, Level
from sensors.domain.area import Alert
from sensors.domain.cai import RULE_VERSION, Assessment, Grade
from sensors.domain.hour import HourWindow, Mean
from sensors.domain.pollutant import Pollutant, to_value
from sensors.domain.station import Station

READING_TAKEN = "sensors.reading-taken.v1"
HOURLY_MEAN_COMPUTED = "sensors.hourly-mean-computed.v1"
AIR_QUALITY_ASSESSED = "sensors.air-quality-assessed.v1"
AIR_ALERT_CHANGED = "sensors.air-alert-changed.v1"
STATION_SILENT = "sensors.station-silent.v1"


def mean_id(station_id: str, hour_end: datetime) -> UUID:
    """Of a station's hour, the same in each revision."""
    return event_id("hourly-mean", station_id, hour_end.isoformat())


def alert_id(dong: str, pollutant: Pollutant, issued_at: datetime, earlier: int) -> UUID:
    """Of an area's alert. earlier: how many others of the area the same hour issued.

    Another one comes when stations of one area run apart: one is lifted by a fast station's later
    hour before a slow station issues for the first hour again.
    """
    parts = ("air-alert", dong, pollutant, issued_at.isoformat())
    return event_id(*parts, earlier) if earlier else event_id(*parts)


def reading_taken(
    station: Station,
    measured_at: datetime,
    received_at: datetime,
    measurements: Sequence[tuple[Pollutant, float, bool]],
) -> OutgoingEvent:
    """measurements: pollutant, value in its unit, whether it is stuck."""
    return OutgoingEvent(
        READING_TAKEN,
        station.station_id,
        event_id(READING_TAKEN, station.station_id, measured_at.isoformat()),
        received_at,
        {
            "station_id": station.station_id,
            "dong": station.dong,
            "measured_at": measured_at,
            "received_at": received_at,
            "interval_minutes": station.interval_minutes,
            "measurements": [
                {
                    "pollutant": pollutant,
                    "value": value,
                    "quality": "STUCK" if stuck else "GOOD",
                }
                for pollutant, value, stuck in measurements
            ],
        },
    )


def hourly_mean_computed(
    station: Station, window: HourWindow, means: Mapping[Pollutant, Mean], now: datetime
) -> OutgoingEvent:
    identity = mean_id(window.station_id, window.hour_end)
    return OutgoingEvent(
        HOURLY_MEAN_COMPUTED,
        window.station_id,
        event_id(identity, window.revision),
        now,
        {
            "mean_id": str(identity),
            "revision": window.revision,
            "station_id": window.station_id,
            "dong": station.dong,
            "hour_end": window.hour_end,
            "readings": window.readings,
            "expected_readings": window.expected,
            "completeness": window.completeness,
            "means": [
                {
                    "pollutant": pollutant,
                    "mean": to_value(mean.concentration),
                    "readings": mean.readings,
                    "valid": mean.valid,
                }
                for pollutant, mean in means.items()
            ],
        },
    )


def air_quality_assessed(
    station: Station, window: HourWindow, assessment: Assessment, now: datetime
) -> OutgoingEvent:
    identity = event_id("air-quality", window.station_id, window.hour_end.isoformat())
    return OutgoingEvent(
        AIR_QUALITY_ASSESSED,
        window.station_id,
        event_id(identity, window.revision),
        now,
        {
            "assessment_id": str(identity),
            "revision": window.revision,
            "station_id": window.station_id,
            "dong": station.dong,
            "latitude": station.latitude,
            "longitude": station.longitude,
            "hour_end": window.hour_end,
            "index": assessment.index,
            "grade": assessment.grade,
            "dominant_pollutant": assessment.dominant,
            "pollutants": [
                {
                    "pollutant": assessed.pollutant,
                    "hourly_mean": to_value(assessed.hourly_mean),
                    "assessed_concentration": found and to_value(found.concentration),
                    "index": found and found.index,
                    "grade": found.grade if found else Grade.UNKNOWN,
                }
                for assessed in assessment.pollutants
                for found in (assessed.sub_index,)
            ],
            "rule_version": RULE_VERSION,
        },
    )


def air_alert_changed(
    alert: Alert,
    previous: Level | None,
    station: Station,
    causes: Sequence[HourMean],
    now: datetime,
) -> OutgoingEvent:
    """The alert's newest change. previous: None for its first; causes: hours of `station`."""
    data: dict[str, Any] = {
        "alert_id": str(alert.alert_id),
        "sequence": alert.sequence,
        "dong": alert.dong,
        "pollutant": alert.pollutant,
        "level": alert.level.name if alert.level else "LIFTED",
        "previous_level": (previous or Level.NONE).name,
        "issued_at": alert.issued_at,
        "changed_at": alert.changed_at,
        "official": False,
        "rule_version": alert.rule_version,
        "causes": [
            {
                "station_id": station.station_id,
                "hour_end": hour.hour_end,
                "mean": to_value(hour.concentration),
                "mean_id": str(mean_id(station.station_id, hour.hour_end)),
                "revision": hour.revision,
            }
            for hour in causes
            if hour.concentration is not None
        ],
        "latitude": station.latitude,
        "longitude": station.longitude,
    }
    return OutgoingEvent(
        AIR_ALERT_CHANGED,
        str(alert.alert_id),
        event_id(alert.alert_id, alert.sequence),
        now,
        data,
    )


def station_silent(
    station: Station, last_received_at: datetime | None, heard_at: datetime, now: datetime
) -> OutgoingEvent:
    """heard_at: when it was last heard of, or registered if never."""
    return OutgoingEvent(
        STATION_SILENT,
        station.station_id,
        event_id(STATION_SILENT, station.station_id, heard_at.isoformat()),
        now,
        {
            "station_id": station.station_id,
            "dong": station.dong,
            "last_received_at": last_received_at,
            "silent_since": now,
            "interval_minutes": station.interval_minutes,
        },
    )
