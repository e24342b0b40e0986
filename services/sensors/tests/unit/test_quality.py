"""What is refused, left out or flagged, with which reason and field."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensors.domain.pollutant import SCALES, Pollutant, to_value
from sensors.domain.quality import (
    RawMeasurement,
    RawReading,
    Reason,
    Unmoved,
    check,
    follow,
    is_stuck,
)
from sensors.domain.station import Station, StationKind, station

NOW = datetime(2021, 5, 1, 12, tzinfo=UTC)
PM10, PM25, O3, NO2, CO = (
    Pollutant.PM10,
    Pollutant.PM25,
    Pollutant.O3,
    Pollutant.NO2,
    Pollutant.CO,
)


def known(**changes: object) -> Station:
    fields = {
        "station_id": "s-1",
        "name": "중구",
        "dong": "명동",
        "latitude": 37.56,
        "longitude": 126.98,
        "kind": StationKind.IOT,
        "pollutants": (PM10, O3, NO2, CO),
        "interval_minutes": 10,
    }
    return station(**{**fields, **changes})  # type: ignore[arg-type]


def reading(
    *measurements: tuple[Pollutant | None, float], measured_at: datetime | None = NOW
) -> RawReading:
    return RawReading("s-1", measured_at, tuple(RawMeasurement(*one) for one in measurements))


def reasons(judged: RawReading, of: Station | None = None) -> list[tuple[Reason, str]]:
    verdict = check(judged, of or known(), NOW)
    return [(problem.reason, problem.field) for problem in verdict.problems]


def test_a_good_reading_passes_whole() -> None:
    verdict = check(reading((PM10, 962.0), (O3, 0.0)), known(), NOW)
    assert verdict.problems == ()
    assert [(kept.pollutant, kept.value) for kept in verdict.kept] == [(PM10, 962.0), (O3, 0.0)]


@pytest.mark.parametrize(
    ("judged", "reason"),
    [
        (reading((PM10, 1), measured_at=None), Reason.INVALID_TIME),
        (reading((PM10, 1), measured_at=datetime(1970, 1, 1, tzinfo=UTC)), Reason.INVALID_TIME),
        (reading((PM10, 1), measured_at=NOW + timedelta(minutes=6)), Reason.FUTURE_TIME),
        (reading(), Reason.NO_MEASUREMENT),
    ],
)
def test_refused_whole(judged: RawReading, reason: Reason) -> None:
    verdict = check(judged, known(), NOW)
    assert (verdict.kept, verdict.problems[0].reason) == ((), reason)


def test_a_clock_five_minutes_ahead_is_tolerated() -> None:
    assert reasons(reading((PM10, 1), measured_at=NOW + timedelta(minutes=5))) == []


def test_unknown_and_retired_stations() -> None:
    assert check(reading((PM10, 1)), None, NOW).problems[0].reason is Reason.UNKNOWN_STATION
    retired = Station(**{**{f: getattr(known(), f) for f in known().__slots__}, "retired": True})
    assert reasons(reading((PM10, 1)), retired) == [(Reason.RETIRED_STATION, "station_id")]


@pytest.mark.parametrize(
    ("pollutant", "value", "reason"),
    [
        (PM10, -0.1, Reason.OUT_OF_RANGE),
        (PM10, 3000.1, Reason.OUT_OF_RANGE),
        (PM10, 45_000, Reason.OUT_OF_RANGE),
        (PM10, math.nan, Reason.OUT_OF_RANGE),
        (O3, math.inf, Reason.OUT_OF_RANGE),
        (O3, 0.7, Reason.OUT_OF_RANGE),
        (O3, 30, Reason.UNIT_MIX_UP),
        (O3, 601, Reason.OUT_OF_RANGE),
        (NO2, 21, Reason.UNIT_MIX_UP),
        (CO, 400, Reason.UNIT_MIX_UP),
        (CO, 60, Reason.OUT_OF_RANGE),
        (PM25, 10, Reason.UNKNOWN_POLLUTANT),
        (None, 10, Reason.UNKNOWN_POLLUTANT),
    ],
)
def test_a_bad_measurement_is_left_out_and_the_good_one_stays(
    pollutant: Pollutant | None, value: float, reason: Reason
) -> None:
    good = O3 if pollutant is not O3 else PM10
    verdict = check(reading((good, 0.5), (pollutant, value)), known(), NOW)
    assert [kept.pollutant for kept in verdict.kept] == [good]
    assert [problem.reason for problem in verdict.problems] == [reason]
    assert verdict.problems[0].field.startswith("measurements[1].")


def test_a_repeated_pollutant_is_left_out_both_times() -> None:
    judged = reading((PM10, 10), (O3, 0.03), (PM10, 12))
    assert reasons(judged) == [
        (Reason.REPEATED_POLLUTANT, "measurements[0].pollutant"),
        (Reason.REPEATED_POLLUTANT, "measurements[2].pollutant"),
    ]


@given(st.sampled_from([PM10, O3, NO2, CO]), st.floats(allow_nan=True, allow_infinity=True))
def test_every_value_is_kept_or_explained(pollutant: Pollutant, value: float) -> None:
    verdict = check(reading((pollutant, value)), known(), NOW)
    inside = 0 <= value <= to_value(SCALES[pollutant].highest)
    assert (len(verdict.kept), len(verdict.problems)) == ((1, 0) if inside else (0, 1))


def test_digest_ignores_the_order_and_sees_every_value() -> None:
    one, other = reading((PM10, 1.0), (O3, 0.1)), reading((O3, 0.1), (PM10, 1.0))
    assert one.digest() == other.digest()
    assert one.digest() != reading((PM10, 1.0), (O3, 0.1001)).digest()


def run_of(values: list[float], interval: int, gaps: dict[int, int] | None = None) -> Unmoved:
    run, at = None, NOW
    for place, value in enumerate(values):
        at += timedelta(minutes=interval * (gaps or {}).get(place, 1))
        run = follow(run, value, at, interval)
    assert run is not None
    return run


@pytest.mark.parametrize(
    ("pollutant", "interval", "length", "stuck"),
    [
        (PM10, 60, 23, False),
        (PM10, 60, 24, True),
        (PM10, 10, 143, False),
        (PM10, 10, 144, True),
        (CO, 60, 95, False),
        (CO, 60, 96, True),
    ],
)
def test_stuck_after_the_pollutants_hours(
    pollutant: Pollutant, interval: int, length: int, stuck: bool
) -> None:
    assert is_stuck(run_of([0.4] * length, interval), pollutant, interval) is stuck


def test_a_moved_value_or_a_gap_begins_a_new_run() -> None:
    assert run_of([5, 5, 6, 6, 6], 60).run_length == 3
    assert run_of([5, 5, 5, 5], 60, gaps={2: 4}).run_length == 2
    assert run_of([5, 5, 5, 5], 60, gaps={2: 3}).run_length == 4


def test_a_late_reading_is_no_part_of_the_run() -> None:
    run = run_of([5, 5], 60)
    assert follow(run, 7, NOW, 60) == run
