"""Public lots within walking distance of the alley, as the national data set has them.

Rows of loadtests/data/parking-lots-uijeongbu-bucheon.csv, without what no driver sees; the whole
file is for `meshctl import`.
"""

from dataclasses import dataclass

from loadtests.city.cameras.places import Point

PROVIDER_CODE = "3860000"
DISTRICT = "경기도 부천시"
OPERATOR = "경기도 부천도시공사"
DATA_DATE = "2022-10-17"
ALWAYS = (0, 1_440)
"""00:00 to 23:59, which means 24:00."""

Hours = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Fees:
    """Minutes and won; None is no such pass. A lot for contract holders alone has no basic fee."""

    basic_minutes: int = 0
    basic_fee_won: int = 0
    unit_minutes: int = 0
    unit_fee_won: int = 0
    day_pass_won: int | None = None
    day_pass_from_minutes: int | None = None
    monthly_pass_won: int | None = None

    @property
    def contract_only(self) -> bool:
        return not self.unit_minutes


@dataclass(frozen=True, slots=True)
class PublicLot:
    """A row; hours of a weekday, a Saturday and a holiday, minutes after midnight."""

    management_number: str
    name: str
    address: str
    point: Point
    bays: int
    hours: tuple[Hours, Hours, Hours]
    fees: Fees
    phone: str
    remark: str


_GRADE_3 = Fees(
    basic_minutes=30,
    basic_fee_won=300,
    unit_minutes=10,
    unit_fee_won=200,
    day_pass_won=4_000,
    day_pass_from_minutes=220,
    monthly_pass_won=50_000,
)
_UNATTENDED = "무인 자동화 정산 시스템 주차장"

LOTS = (
    PublicLot(
        management_number="000-2-000035",
        name="삼정3호",
        address="경기도 부천시 삼정동 19-9,10",
        point=(37.52627922, 126.7660186),
        bays=198,
        hours=(ALWAYS, ALWAYS, ALWAYS),
        fees=_GRADE_3,
        phone="032-340-0995",
        remark=_UNATTENDED,
    ),
    PublicLot(
        management_number="000-2-000053",
        name="오정산업단지",
        address="경기도 부천시 오정동 760",
        point=(37.5309551, 126.7801843),
        bays=69,
        hours=(ALWAYS, ALWAYS, ALWAYS),
        fees=_GRADE_3,
        phone="032-340-0923",
        remark=_UNATTENDED,
    ),
    PublicLot(
        management_number="000-2-000034",
        name="삼정2호",
        address="경기도 부천시 삼정동 70-41",
        point=(37.5261451, 126.771003),
        bays=144,
        hours=((420, 960), (420, 1_440), None),
        fees=Fees(monthly_pass_won=40_000),
        phone="032-340-0925",
        remark="월정기 전용",
    ),
)
