"""Reading the national standard data set of public parking, and what becomes of its rows."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import grpc
import grpc.aio
import pytest
from city.parking.v1 import lot_pb2 as pb
from meshctl.bulk import register
from meshctl.csv_file import BadRow, Row
from meshctl.errors import MeshctlError, SettingsError
from meshctl.import_parking import CHUNK
from meshctl.parking_file import COLUMNS, column_of, parse_lots

SHARED = Path(__file__).parents[4] / "shared" / "data" / "parking-lots-uijeongbu-bucheon.csv"
FILE = Path("lots.csv")
CELLS = {
    "주차장관리번호": "000-2-000058",
    "주차장명": "중앙공원",
    "주차장구분": "공영",
    "소재지도로명주소": "",
    "소재지지번주소": "경기도 부천시 중동 1177",
    "주차구획수": "982",
    "운영요일": "평일+토요일+공휴일",
    "평일운영시작시각": "00:00",
    "평일운영종료시각": "23:59",
    "토요일운영시작시각": "09:00",
    "토요일운영종료시각": "18:00",
    "공휴일운영시작시각": "00:00",
    "공휴일운영종료시각": "00:00",
    "요금정보": "유료",
    "주차기본시간": "30",
    "주차기본요금": "300",
    "추가단위시간": "10",
    "추가단위요금": "200",
    "1일주차권요금적용시간": "220",
    "1일주차권요금": "4000",
    "월정기권요금": "50000",
    "특기사항": "무인 자동화 정산 시스템 주차장",
    "관리기관명": "경기도 부천도시공사",
    "전화번호": "032-340-0997",
    "위도": "37.50244089",
    "경도": "126.7648391",
    "데이터기준일자": "2022-10-17",
    "제공기관코드": "3860000",
    "제공기관명": "경기도 부천시",
}


def write(folder: Path, *rows: dict[str, str], encoding: str = "utf-8") -> Path:
    """Rows that differ from CELLS in some columns, in the reverse order of columns."""
    file = folder / "lots.csv"
    columns = ["급지구분", *reversed(COLUMNS)]
    lines = [",".join(columns)]
    for row in rows:
        cells = {"급지구분": "1", **CELLS, **row}
        lines.append(",".join(f'"{cells[column]}"' for column in columns))
    file.write_text("\n".join(lines), encoding=encoding)
    return file


def read(folder: Path, **changes: str) -> pb.PublicLot:
    (row,) = parse_lots(write(folder, changes))
    assert isinstance(row, Row)
    return row.message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_a_lot(tmp_path: Path, encoding: str) -> None:
    (row,) = parse_lots(write(tmp_path, {}, encoding=encoding))
    assert isinstance(row, Row)
    assert row.line == 2
    lot = row.message
    assert (lot.provider_code, lot.management_number, lot.name, lot.bays) == (
        "3860000", "000-2-000058", "중앙공원", 982,
    )  # fmt: skip
    assert (lot.position.latitude, lot.position.longitude) == (37.50244089, 126.7648391)
    assert (lot.address, lot.district) == ("경기도 부천시 중동 1177", "경기도 부천시")
    assert (lot.operator, lot.phone) == ("경기도 부천도시공사", "032-340-0997")
    assert (lot.remark, lot.data_date) == ("무인 자동화 정산 시스템 주차장", "2022-10-17")
    assert lot.hours == pb.OperatingHours(
        weekday=pb.Hours(start_minute=0, end_minute=1440),
        saturday=pb.Hours(start_minute=540, end_minute=1080),
    )
    assert lot.fees == pb.FeeSchedule(
        kind=pb.FEE_KIND_METERED,
        basic_minutes=30,
        basic_fee_won=300,
        unit_minutes=10,
        unit_fee_won=200,
        day_pass_won=4000,
        day_pass_from_minutes=220,
        monthly_pass_won=50_000,
    )


def test_the_address_by_road_is_preferred_and_blanks_are_one(tmp_path: Path) -> None:
    lot = read(tmp_path, 소재지도로명주소="경기도 부천시  길주로 210\n", 특기사항=" 토+ \n 일 ")
    assert (lot.address, lot.remark) == ("경기도 부천시 길주로 210", "토+ 일")


def test_only_kinds_of_day_that_are_named_have_hours(tmp_path: Path) -> None:
    hours = read(tmp_path, 운영요일="평일", 공휴일운영종료시각="23:59").hours
    assert hours == pb.OperatingHours(weekday=pb.Hours(start_minute=0, end_minute=1440))
    unreadable = read(tmp_path, 운영요일="평일", 토요일운영시작시각="", 토요일운영종료시각="")
    assert not unreadable.hours.HasField("saturday")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, pb.FEE_KIND_METERED),
        ({"주차기본요금": "0"}, pb.FEE_KIND_METERED),
        ({"추가단위요금": ""}, pb.FEE_KIND_METERED),
        ({"주차기본요금": "0", "추가단위요금": "0"}, pb.FEE_KIND_CONTRACT),
        ({"주차기본요금": "", "추가단위요금": ""}, pb.FEE_KIND_CONTRACT),
        ({"요금정보": "무료", "주차기본요금": "0", "추가단위요금": ""}, pb.FEE_KIND_FREE),
    ],
)
def test_kinds_of_fees(tmp_path: Path, changes: dict[str, str], kind: int) -> None:
    assert read(tmp_path, **changes).fees.kind == kind


@pytest.mark.parametrize("cell", ["", "0"])
def test_a_pass_of_nothing_is_none(tmp_path: Path, cell: str) -> None:
    columns = ("1일주차권요금적용시간", "1일주차권요금", "월정기권요금")
    fees = read(tmp_path, **dict.fromkeys(columns, cell)).fees
    for name in ("day_pass_from_minutes", "day_pass_won", "monthly_pass_won"):
        assert not fees.HasField(name)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("주차장구분", "민영"),
        ("주차구획수", ""),
        ("주차구획수", "-1"),
        ("주차구획수", "12.5"),
        ("운영요일", ""),
        ("운영요일", "평일+일요일"),
        ("평일운영시작시각", ""),
        ("평일운영종료시각", "24:01"),
        ("평일운영종료시각", "25:00"),
        ("토요일운영종료시각", "08:00"),
        ("토요일운영종료시각", "09:00"),
        ("토요일운영시작시각", "9시"),
        ("요금정보", "혼합"),
        ("추가단위요금", "200원"),
        ("월정기권요금", "50,000"),
        ("위도", ""),
        ("위도", "32.99"),
        ("위도", "126.77"),
        ("위도", "nan"),
        ("경도", "132.01"),
        ("경도", "37.5"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(tmp_path: Path, column: str, cell: str) -> None:
    other = {"주차장관리번호": "000-2-000059"}
    file = write(tmp_path, {column: cell}, other)
    bad, good = parse_lots(file)
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.column) == (2, column)
    assert str(bad).startswith(f"{file}:2: {column}: expected ")
    assert isinstance(good, Row)


def test_a_row_that_stands_twice_is_bad_the_second_time(tmp_path: Path) -> None:
    file = write(
        tmp_path, {}, {"주차장명": "호수공원"}, {"제공기관코드": "3820000"}, {"위도": "37.6"}
    )
    *good, bad = parse_lots(file)
    assert [isinstance(row, Row) for row in good] == [True, True, True]
    assert str(bad) == (
        f"{file}:5: 주차장관리번호: expected once with its name, stands at line 2 already"
    )


def test_a_column_missing_or_no_such_encoding(tmp_path: Path) -> None:
    file = tmp_path / "lots.csv"
    file.write_text("주차장관리번호,주차장명\n1,가\n", encoding="cp949")
    with pytest.raises(SettingsError, match=r"lots\.csv:1: column missing: 주차장구분, "):
        list(parse_lots(file))
    file.write_bytes("주차장명".encode("utf-16"))
    with pytest.raises(SettingsError, match=r"lots\.csv: cannot be read"):
        list(parse_lots(file))


def test_the_two_cities() -> None:
    if not SHARED.exists():
        pytest.skip(f"NO DATA SET: {SHARED} is not there")
    lots = [row.message for row in parse_lots(SHARED) if isinstance(row, Row)]
    assert len(lots) == 163
    assert sum(lot.bays for lot in lots) == 15_362
    kinds = Counter(pb.FeeKind.Name(lot.fees.kind) for lot in lots)
    assert kinds == {"FEE_KIND_METERED": 79, "FEE_KIND_CONTRACT": 56, "FEE_KIND_FREE": 28}
    # The two rows with hours on days on which they are not operated.
    for name in ("가능1동 법원 앞", "신곡1동 동신2차아파트 옆"):
        (lot,) = (lot for lot in lots if lot.name == name)
        assert lot.hours == pb.OperatingHours(weekday=pb.Hours(start_minute=540, end_minute=1140))


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("fees.unit_fee_won", "추가단위요금"),
        ("hours.saturday.end_minute", "토요일운영종료시각"),
        ("address", "소재지도로명주소"),
        ("position.longitude", "경도"),
        ("management_number", "주차장관리번호"),
        ("unheard_of", "unheard_of"),
    ],
)
def test_the_departments_fields_are_columns(field: str, column: str) -> None:
    assert column_of(field) == column


async def test_a_refused_row_is_named_by_its_column_and_the_others_go_in() -> None:
    taken: list[str] = []

    async def call(lots: Sequence[pb.PublicLot]) -> None:
        for index, lot in enumerate(lots):
            if lot.name == "bad":
                raise refusal(f"lots[{index}].fees.unit_fee_won: expected 0 to 100000, got 1")
        taken.extend(lot.name for lot in lots)

    rows = [Row(line, pb.PublicLot(name=str(line))) for line in range(2, 6)]
    rows[1].message.name = "bad"
    bad: list[BadRow] = []
    count = await register("parking", FILE, rows, call, bad, CHUNK, column_of)
    assert (count, taken) == (3, ["2", "4", "5"])
    assert bad == [BadRow(FILE, 3, "추가단위요금", "expected 0 to 100000, got 1")]


async def test_what_is_not_a_rows_fault_ends_the_import() -> None:
    async def call(_: Sequence[pb.PublicLot]) -> None:
        raise refusal("lots: an alley has a bay whose id a bay of these lots would get")

    rows = [Row(2, pb.PublicLot())]
    with pytest.raises(MeshctlError, match="parking: lots: an alley"):
        await register("parking", FILE, rows, call, [], CHUNK, column_of)


def refusal(details: str) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(grpc.StatusCode.INVALID_ARGUMENT, nothing, nothing, details)
