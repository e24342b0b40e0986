"""Reading the published file: every quirk of it, and what is wrong is named by line and column."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from city.sensors.v1 import sensors_pb2 as pb
from meshctl.air_file import BadRow, Row, parse
from meshctl.errors import SettingsError
from meshctl.replay import Tally, batches, good_rows, reading

from meshctl import import_stations

HEADER = "일시,초미세먼지,미세먼지,오존,이산화탄소,일산화탄소,아황산가스"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "air.csv"


def rows(file: Path, *lines: str, encoding: str = "utf-8", end: str = "\n") -> list[Row | BadRow]:
    file.write_bytes(end.join([HEADER, *lines, ""]).encode(encoding))
    return list(parse(file))


def test_a_row_in_utc_with_no2_under_its_wrong_name(file: Path) -> None:
    assert rows(file, "2018-01-01 01:00,17,31,0.018,0.021,0.4,0.005") == [
        Row(
            2,
            datetime(2017, 12, 31, 16, tzinfo=UTC),
            {"PM25": 17, "PM10": 31, "O3": 0.018, "NO2": 0.021, "CO": 0.4, "SO2": 0.005},
        )
    ]


def test_the_last_hour_of_a_day_is_written_24(file: Path) -> None:
    (row,) = rows(file, "2020-02-28 24:00,1,1,1,1,1,1")
    assert isinstance(row, Row)
    assert row.measured_at == datetime(2020, 2, 28, 15, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends(file: Path, encoding: str, end: str) -> None:
    found = rows(file, "2018-01-01 01:00,17,31,,,,", encoding=encoding, end=end)
    assert [row.values for row in found if isinstance(row, Row)] == [{"PM25": 17, "PM10": 31}]


def test_missing_values_are_left_out(file: Path) -> None:
    (row,) = rows(file, "2019-08-01 15:00,16,24,0.02,0.027,-,")
    assert isinstance(row, Row)
    assert set(row.values) == {"PM25", "PM10", "O3", "NO2"}


def test_duplicates_and_gaps_are_none_of_the_readers_business(file: Path) -> None:
    line = "2019-12-01 01:00,26,32,0.006,0.045,0.6,0.004"
    assert len(rows(file, line, line, line.replace("12-01", "12-09"))) == 3


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("2018-01-01 24:30,1,1,1,1,1,1", "일시"),
        ("2018-02-30 01:00,1,1,1,1,1,1", "일시"),
        ("2018-01-01,1,1,1,1,1,1", "일시"),
        ("2018-01-01 01:00,1,x,1,1,1,1", "미세먼지"),
        ("2018-01-01 01:00,1,1,nan,1,1,1", "오존"),
        ("2018-01-01 01:00,1,1,1,1_0,1,1", "이산화탄소"),
        ("2018-01-01 01:00,1,1,1", ""),
        ("2018-01-01 01:00,1,1,1,1,1,1,1", ""),
        ("2018-01-01 01:00,-,-,,,,", ""),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(file: Path, line: str, column: str) -> None:
    bad, good = rows(file, line, "2018-01-01 02:00,1,1,1,1,1,1")
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.column) == (2, column)
    assert isinstance(good, Row)


def test_another_header_is_said_so(file: Path) -> None:
    file.write_text("time,pm10\n2018-01-01 01:00,3\n")
    with pytest.raises(SettingsError, match=r"air\.csv:1: expected the columns 일시"):
        list(parse(file))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xff\xff"])
def test_no_file_or_no_text(file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"air\.csv: "):
        list(parse(file))


async def test_all_rows_go_into_bounded_calls_in_order(file: Path) -> None:
    line = "2018-01-01 01:00,1,1,1,1,1,1"
    tally = Tally()
    reported: list[BadRow] = []
    good = good_rows(rows(file, *[line] * 4500, "x,1,1,1,1,1,1"), tally, reported.append)
    sent = [batch async for batch in batches(good, None)]
    assert [len(batch) for batch in sent] == [2000, 2000, 500]
    assert [row.line for batch in sent for row in batch] == list(range(2, 4502))
    assert (tally.rows, tally.bad_rows, [bad.line for bad in reported]) == (4501, 1, [4502])


async def test_at_a_speed_a_call_holds_what_is_due(file: Path) -> None:
    lines = [f"2018-01-01 {hour:02}:00,1,1,1,1,1,1" for hour in (1, 1, 2, 2, 3)]
    good = good_rows(rows(file, *lines), Tally(), lambda bad: None)
    assert [len(batch) async for batch in batches(good, 3600 * 2)] == [2, 2, 1]


def test_a_row_as_a_reading(file: Path) -> None:
    (row,) = rows(file, "2018-01-01 01:00,17,,,0.021,,")
    assert isinstance(row, Row)
    message = reading("seoul", row)
    assert (message.station_id, message.measured_at.ToDatetime(UTC)) == ("seoul", row.measured_at)
    assert [(one.pollutant, one.value) for one in message.measurements] == [
        (pb.POLLUTANT_PM25, 17.0),
        (pb.POLLUTANT_NO2, 0.021),
    ]


def test_a_tally_counts_answers_and_reasons() -> None:
    problem = pb.Problem(reason=pb.PROBLEM_REASON_OUT_OF_RANGE)
    tally = Tally()
    tally.add(
        pb.PublishReadingsResponse(
            accepted=2, duplicates=1, refused=1, results=[pb.ReadingResult(problems=[problem] * 2)]
        )
    )
    assert tally.as_dict()["readings"] == 4
    assert tally.as_dict()["problems"] == {"OUT_OF_RANGE": 2}


STATION = "s-1,중구,명동,37.56,126.98,iot,PM10|O3,10"


@pytest.mark.parametrize(
    ("good", "bad", "column"),
    [
        ("37.56", "north", "latitude"),
        ("126.98", "", "longitude"),
        ("iot", "home", "kind"),
        ("PM10|O3", "PM10|X", "pollutants"),
        ("PM10|O3", "", "pollutants"),
        (",10", ",ten", "interval_minutes"),
    ],
)
def test_stations_and_their_bad_lines(file: Path, good: str, bad: str, column: str) -> None:
    header = ",".join(import_stations.COLUMNS)
    file.write_text("\n".join([header, STATION, STATION.replace(good, bad)]))
    (line, station), (bad_line, problem) = import_stations.parse(file)
    assert isinstance(station, pb.Station)
    assert (line, station.kind, station.interval_minutes) == (2, pb.STATION_KIND_IOT, 10)
    assert list(station.pollutants) == [pb.POLLUTANT_PM10, pb.POLLUTANT_O3]
    assert isinstance(problem, import_stations.BadStation)
    assert (bad_line, problem.column) == (3, column)


def test_a_station_file_with_a_column_missing(file: Path) -> None:
    file.write_text("station_id,name\ns-1,x\n")
    with pytest.raises(SettingsError, match="column missing: dong"):
        list(import_stations.parse(file))
