"""The operator's command with the city's own data set, and what stays cost by it.

Each amount is worked out by hand from the lot's row: the arithmetic stands beside it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from city.parking.v1 import lot_pb2 as pb
from city_backbone.testing import Mesh
from parking import messages
from parking.clock import SEOUL
from parking.interval import Interval

from .lots_mesh import DEADLINE, Lots, reason, refused, running_lots

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILE = Path(__file__).parents[4] / "loadtests/data/parking-lots-uijeongbu-bucheon.csv"
BUCHEON, UIJEONGBU = "3860000", "3820000"
# Lots of the file, by the names they have there.
PARK = f"{BUCHEON}-000-2-000058"  # 중앙공원: always; 30/300, 10/200, day pass 4,000
RODEO = f"{BUCHEON}-000-1-000006"  # 로데오거리: weekdays 9-18; 30/900, 10/400, day pass 9,500
CITY_HALL = f"{BUCHEON}-000-3-000067"  # 시청부설: weekdays 8-20; 30/400, 10/200, day pass 6,000
STEEL = f"{BUCHEON}-000-2-000056"  # 원종철골: 10-18, holidays always; 30/900, 10/400, pass 9,500
COURT = f"{BUCHEON}-000-2-000028"  # 법원앞: always, Saturdays from 8; 30/900, 10/400, pass 9,500
PLAZA = f"{BUCHEON}-000-2-000079"  # 미관광장: 7-23, holidays 7-23:59; 30/900, 10/400, pass 9,500
TRUCKS = f"{BUCHEON}-000-3-000062"  # 난장: always; 0/400, 10/200, day pass 8,000
STATION = (
    f"{BUCHEON}-000-2-000030"  # 부천역 남부 제2호: not on holidays; 30/700, 10/300, pass 7,000
)
BUS = f"{UIJEONGBU}-207-2-000011"  # 의1동공영: always, holidays to 19; 10/200, 10/200, pass 5,000
BENCH = f"{UIJEONGBU}-207-2-000024"  # 가능1동 법원 앞: 평일 9-19, whatever Saturday's hours say


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lots(mesh: Mesh) -> AsyncIterator[Lots]:
    """Where the operator looks for it."""
    peers = json.loads(mesh.environment("operator")["OPERATOR_PEERS"])
    port = peers["parking"].rpartition(":")[2]
    async with running_lots(mesh, {"PARKING_GRPC__PORT": port}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def city(lots: Lots, mesh: Mesh) -> Lots:
    """With all lots of the file in."""
    if not FILE.exists():
        pytest.skip(f"NO DATA SET, so its fees are not proven: {FILE} is not there")
    assert await command(mesh, FILE) == (0, "163 lots registered, 0 rows bad", [])
    return lots


async def command(mesh: Mesh, file: Path) -> tuple[int | None, str, list[str]]:
    running = await asyncio.create_subprocess_exec(
        *mesh.command("import", "parking", str(file)),
        *("--give-up-after", str(DEADLINE)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(3 * DEADLINE):
        out, err = await running.communicate()
    return running.returncode, out.decode().strip(), err.decode().splitlines()


async def ours(lots: Lots) -> list[pb.Lot]:
    request = pb.ListLotsRequest(kind=pb.LOT_KIND_PUBLIC, page_size=1000)
    answer = await lots.stub.ListLots(request, timeout=DEADLINE)
    return [one for one in answer.lots if one.lot_id[:7] in (BUCHEON, UIJEONGBU)]


async def test_all_lots_of_the_two_cities_with_all_their_bays(city: Lots, mesh: Mesh) -> None:
    found = await ours(city)
    assert len(found) == 163
    bays = {
        name: sum(one.bays for one in found if one.lot_id[:7] == name)
        for name in (BUCHEON, UIJEONGBU)
    }
    assert bays == {BUCHEON: 11_347, UIJEONGBU: 4_015}
    kinds = [pb.FeeKind.Name(one.fees.kind)[9:] for one in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "METERED": 79,
        "CONTRACT": 56,
        "FREE": 28,
    }
    park = next(one for one in found if one.lot_id == PARK)
    assert (park.name, park.bays, park.operator) == ("중앙공원", 982, "경기도 부천도시공사")
    assert park.fees == pb.FeeSchedule(
        kind=pb.FEE_KIND_METERED,
        basic_minutes=30,
        basic_fee_won=300,
        unit_minutes=10,
        unit_fee_won=200,
        day_pass_won=4000,
        day_pass_from_minutes=220,
        monthly_pass_won=50_000,
    )
    query = "select * from bay where lot_id like '38_0000-%%' order by bay_id"
    before = await city.rows(query)
    assert len(before) == 15_362
    assert await command(mesh, FILE) == (0, "163 lots registered, 0 rows bad", [])
    assert await ours(city) == found
    assert await city.rows(query) == before


async def test_one_number_is_two_lots(city: Lots) -> None:
    found = {one.name: one for one in await ours(city) if "-000-2-000090" in one.lot_id}
    assert {name: one.bays for name, one in found.items()} == {
        "꿈빛도서관 옆": 66,
        "호수로노외": 22,
    }
    assert found["꿈빛도서관 옆"].fees.kind == pb.FEE_KIND_CONTRACT
    an_hour = stay("2026-03-04 09:00", 60)
    lake = found["호수로노외"].lot_id
    assert (await city.quote(an_hour, lot_id=lake)).fee_won == 300 + 3 * 200
    error = await refused(city.quote(an_hour, lot_id=found["꿈빛도서관 옆"].lot_id))
    assert (error.code(), reason(error)) == (grpc.StatusCode.FAILED_PRECONDITION, "CONTRACT_ONLY")


def stay(start: str, minutes: int) -> pb.Interval:
    """From a time in Seoul."""
    starts_at = datetime.fromisoformat(start).replace(tzinfo=SEOUL)
    return messages.interval_message(Interval(starts_at, starts_at + timedelta(minutes=minutes)))


HOUR = 60
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("lot_id", "start", "minutes", "won"),
    [
        # Wednesday. The basic time exactly, and one minute more: a unit is begun.
        (PARK, "2026-03-04 09:00", 30, 300),
        (PARK, "2026-03-04 09:00", 31, 300 + 1 * 200),
        # 220 minutes would be 300 + 19 x 200 = 4,100: the day pass.
        (PARK, "2026-03-04 09:00", 210, 300 + 18 * 200),
        (PARK, "2026-03-04 09:00", 220, 4000),
        (PARK, "2026-03-04 09:00", 10 * HOUR, 4000),
        # Over midnight: 23:00-24:00, then the second hour without basic time.
        (PARK, "2026-03-04 23:00", 2 * HOUR, (300 + 3 * 200) + 6 * 200),
        # Noon to noon: two calendar days, two passes; 40 minutes of a third day.
        (PARK, "2026-03-04 12:00", DAY, 4000 + 4000),
        (PARK, "2026-03-04 12:00", 12 * HOUR + DAY + 40, 4000 + 4000 + 4 * 200),
        # Free, three days long.
        (f"{UIJEONGBU}-207-2-000014", "2026-03-04 09:00", 3 * DAY, 0),
        # Outside hours: after 18:00 and before 9:00; 30 minutes on each side are one stay's 60.
        (RODEO, "2026-03-04 18:00", 15 * HOUR, 0),
        (RODEO, "2026-03-04 17:30", 16 * HOUR, 900 + 3 * 400),
        (RODEO, "2026-03-04 17:00", 3 * HOUR, 900 + 3 * 400),
        # Saturday and Sunday: open, and free.
        (RODEO, "2026-03-07 10:00", 6 * HOUR, 0),
        (RODEO, "2026-03-08 10:00", 6 * HOUR, 0),
        # Lunar New Year on a Tuesday, and Monday March 2 for Sunday March 1; then a Tuesday:
        # 7 hours would be 900 + 39 x 400 = 16,500.
        (RODEO, "2026-02-17 10:00", 7 * HOUR, 0),
        (RODEO, "2026-03-02 10:00", 7 * HOUR, 0),
        (RODEO, "2026-03-03 10:00", 7 * HOUR, 9500),
        # Christmas on a Friday; the day before 12 hours would be 400 + 69 x 200 = 14,200.
        (CITY_HALL, "2026-12-25 08:00", 12 * HOUR, 0),
        (CITY_HALL, "2026-12-24 08:00", 12 * HOUR, 6000),
        (CITY_HALL, "2026-12-24 19:00", DAY, 400 + 3 * 200),
        # Saturday 17:00-18:00, closed until midnight, then Sunday's first hour.
        (STEEL, "2026-03-07 17:00", 8 * HOUR, (900 + 3 * 400) + 6 * 400),
        # Saturdays begin at 8:00.
        (COURT, "2026-03-07 07:00", 2 * HOUR, 900 + 3 * 400),
        # Sunday to 23:59, the day's end, and Monday from 7:00: 120 minutes, then 60.
        (PLAZA, "2026-03-08 22:00", 10 * HOUR, (900 + 9 * 400) + 6 * 400),
        # No basic time, but a basic fee: one minute begins a unit.
        (TRUCKS, "2026-03-04 09:00", 1, 400 + 1 * 200),
        (TRUCKS, "2026-03-04 09:00", 11, 400 + 2 * 200),
        # Saturday 22:00-24:00; on Sundays it is not operated.
        (STATION, "2026-03-07 22:00", DAY, 700 + 9 * 300),
        # Monday May 25 for the Buddha's birthday, and Chuseok: only to 19:00.
        (BUS, "2026-05-25 18:00", 3 * HOUR, 200 + 5 * 200),
        (BUS, "2026-09-25 18:30", 90, 200 + 2 * 200),
        # Only 평일 is named, though Saturday has hours.
        (BENCH, "2026-03-07 10:00", 2 * HOUR, 0),
        (BENCH, "2026-03-06 18:30", 90, 200 + 2 * 200),
    ],
)  # fmt: skip
async def test_what_a_stay_costs(
    city: Lots, lot_id: str, start: str, minutes: int, won: int
) -> None:
    assert (await city.quote(stay(start, minutes), lot_id=lot_id)).fee_won == won


async def test_minutes_that_are_charged(city: Lots) -> None:
    answer = await city.quote(stay("2026-03-04 17:30", 16 * HOUR), lot_id=RODEO)
    assert answer.charged_minutes == 30 + 30
    answer = await city.quote(stay("2026-03-08 22:00", 10 * HOUR), lot_id=PLAZA)
    assert answer.charged_minutes == 2 * HOUR + 1 * HOUR


async def test_a_file_with_bad_rows(lots: Lots, mesh: Mesh, tmp_path: Path) -> None:
    """In CP949, as spreadsheets in Korea write it; one row only the department refuses."""
    header = (
        "주차장관리번호,주차장명,주차장구분,주차장유형,소재지도로명주소,소재지지번주소,주차구획수,"
        "급지구분,부제시행구분,운영요일,평일운영시작시각,평일운영종료시각,토요일운영시작시각,"
        "토요일운영종료시각,공휴일운영시작시각,공휴일운영종료시각,요금정보,주차기본시간,주차기본요금,"
        "추가단위시간,추가단위요금,1일주차권요금적용시간,1일주차권요금,월정기권요금,결제방법,특기사항,"
        "관리기관명,전화번호,위도,경도,데이터기준일자,제공기관코드,제공기관명"
    )
    row = (
        "900-2-000001,가상공원,공영,노외,,경기도 부천시 중동 1,7,1,미시행,평일,09:00,18:00,00:00,"
        "23:59,00:00,00:00,유료,30,300,10,200,0,0,,현금,,경기도 부천도시공사,032-000-0000,37.5,"
        "126.77,2022-10-17,4190001,경기도 부천시"
    )
    file = tmp_path / "lots.csv"
    lines = [
        header,
        row,
        row,
        row.replace("900-2-000001,가상공원", "900-2-000002,바다").replace("37.5,", "35.0,")
        .replace("126.77", "140.1"),
        row.replace("900-2-000001,가상공원", "900-2-000003,이상한 곳").replace(",10,2", ",0,2"),
        row.replace("900-2-000001,가상공원", "900-2-000004,좋은 곳"),
    ]  # fmt: skip
    file.write_text("\n".join(lines), encoding="cp949")
    code, said, problems = await command(mesh, file)
    assert (code, said) == (1, "2 lots registered, 3 rows bad")
    assert problems == [
        f"{file}:3: 주차장관리번호: expected once with its name, stands at line 2 already",
        f"{file}:4: 경도: expected 124 to 132 degrees, in Korea, found 140.1",
        f"{file}:5: 추가단위시간: expected 1 to 1440, got 0",
    ]
    good = await lots.lot("4190001-900-2-000004")
    assert (good.name, good.bays) == ("좋은 곳", 7)
    assert (await lots.lot("4190001-900-2-000001")).hours == pb.OperatingHours(
        weekday=pb.Hours(start_minute=540, end_minute=1080)
    )
    error = await refused(lots.lot("4190001-900-2-000003"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
