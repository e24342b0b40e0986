"""The file of `meshctl import parking`: the national standard data set of public parking.

전국주차장정보표준데이터, as data.go.kr gives it: CSV, UTF-8 or CP949, columns in any order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from city.parking.v1 import lot_pb2 as pb
from city.type.v1.position_pb2 import Position

from meshctl.csv_file import BadRow, Row, Unreadable, number, parse

ENCODINGS = ("utf-8-sig", "cp949")
# Each column that is read, and the field of PublicLot that it becomes, or becomes part of.
COLUMNS = {
    "주차장관리번호": "management_number",
    "주차장명": "name",
    "주차장구분": "",
    "소재지도로명주소": "address",
    "소재지지번주소": "address",
    "주차구획수": "bays",
    "운영요일": "hours",
    "평일운영시작시각": "hours.weekday.start_minute",
    "평일운영종료시각": "hours.weekday.end_minute",
    "토요일운영시작시각": "hours.saturday.start_minute",
    "토요일운영종료시각": "hours.saturday.end_minute",
    "공휴일운영시작시각": "hours.holiday.start_minute",
    "공휴일운영종료시각": "hours.holiday.end_minute",
    "요금정보": "fees.kind",
    "주차기본시간": "fees.basic_minutes",
    "주차기본요금": "fees.basic_fee_won",
    "추가단위시간": "fees.unit_minutes",
    "추가단위요금": "fees.unit_fee_won",
    "1일주차권요금적용시간": "fees.day_pass_from_minutes",
    "1일주차권요금": "fees.day_pass_won",
    "월정기권요금": "fees.monthly_pass_won",
    "특기사항": "remark",
    "관리기관명": "operator",
    "전화번호": "phone",
    "위도": "position.latitude",
    "경도": "position.longitude",
    "데이터기준일자": "data_date",
    "제공기관코드": "provider_code",
    "제공기관명": "district",
}
_COLUMN_OF = {field: column for column, field in reversed(COLUMNS.items())}
_DAYS = ("평일", "토요일", "공휴일")
_MIDNIGHT = 24 * 60
# Korea with its islands, degrees.
_LATITUDES, _LONGITUDES = (33, 39), (124, 132)


def column_of(field: str) -> str:
    """The column of what the department names, for example fees.unit_fee_won."""
    return _COLUMN_OF.get(field, field)


def parse_lots(file: Path) -> Iterator[Row[pb.PublicLot] | BadRow]:
    """Of two rows with one provider, number and name the second is bad.

    Raises SettingsError when the file or its header is wrong.
    """
    lines: dict[tuple[str, str, str], int] = {}
    for row in parse(file, list(COLUMNS), _lot, ENCODINGS):
        if isinstance(row, Row):
            first = lines.setdefault(identity(row.message), row.line)
            if first != row.line:
                problem = f"expected once with its name, stands at line {first} already"
                yield BadRow(file, row.line, "주차장관리번호", problem)
                continue
        yield row


def identity(lot: pb.PublicLot) -> tuple[str, str, str]:
    """What the department knows a lot by, and the order in which they are sent."""
    return (
        lot.provider_code.lower(),
        lot.management_number.lower(),
        unicodedata.normalize("NFC", lot.name),
    )


def _lot(cells: Mapping[str, str]) -> pb.PublicLot:
    text = {column: " ".join(cell.split()) for column, cell in cells.items()}
    if text["주차장구분"] != "공영":
        raise Unreadable(
            "주차장구분", f"expected 공영, a lot of the city, found {text['주차장구분']!r}"
        )
    return pb.PublicLot(
        management_number=text["주차장관리번호"],
        name=text["주차장명"],
        provider_code=text["제공기관코드"],
        district=text["제공기관명"],
        address=text["소재지도로명주소"] or text["소재지지번주소"],
        position=Position(
            latitude=_degrees(text, "위도", _LATITUDES),
            longitude=_degrees(text, "경도", _LONGITUDES),
        ),
        bays=_whole(text, "주차구획수"),
        hours=_operating_hours(text),
        fees=_fees(text),
        operator=text["관리기관명"],
        phone=text["전화번호"],
        remark=text["특기사항"],
        data_date=text["데이터기준일자"],
    )


def _degrees(text: Mapping[str, str], column: str, limits: tuple[int, int]) -> float:
    least, most = limits
    found = number(text, column)
    if not least <= found <= most:
        raise Unreadable(column, f"expected {least} to {most} degrees, in Korea, found {found:g}")
    return found


def _operating_hours(text: Mapping[str, str]) -> pb.OperatingHours:
    """On the kinds of day that 운영요일 names; hours of others count for nothing."""
    named = text["운영요일"].replace(" ", "").split("+")
    if not set(named) <= set(_DAYS):
        raise Unreadable(
            "운영요일", f"expected {', '.join(_DAYS)} joined by +, found {text['운영요일']!r}"
        )
    weekday, saturday, holiday = (_hours(text, day) if day in named else None for day in _DAYS)
    return pb.OperatingHours(weekday=weekday, saturday=saturday, holiday=holiday)


def _hours(text: Mapping[str, str], day: str) -> pb.Hours | None:
    """00:00 to 00:00 means not at all, 23:59 the end of the day."""
    start = _minute(text, f"{day}운영시작시각")
    end = _minute(text, f"{day}운영종료시각")
    if start == end == 0:
        return None
    if end == _MIDNIGHT - 1:
        end = _MIDNIGHT
    if start >= end:
        begins, ends = text[f"{day}운영시작시각"], text[f"{day}운영종료시각"]
        raise Unreadable(f"{day}운영종료시각", f"expected a time after {begins}, found {ends}")
    return pb.Hours(start_minute=start, end_minute=end)


def _minute(text: Mapping[str, str], column: str) -> int:
    found = re.fullmatch(r"([01]?\d|2[0-4]):([0-5]\d)", text[column], re.ASCII)
    minute = int(found[1]) * 60 + int(found[2]) if found else _MIDNIGHT + 1
    if minute > _MIDNIGHT:
        raise Unreadable(column, f"expected 00:00 to 24:00, found {text[column]!r}")
    return minute


def _fees(text: Mapping[str, str]) -> pb.FeeSchedule:
    """유료 without a price for time is for holders of a monthly pass (월정기권, 계약자 전용).

    A pass of 0 won, or from minute 0 on, is none.
    """
    fees = pb.FeeSchedule(
        basic_minutes=_whole(text, "주차기본시간", empty=True),
        basic_fee_won=_whole(text, "주차기본요금", empty=True),
        unit_minutes=_whole(text, "추가단위시간", empty=True),
        unit_fee_won=_whole(text, "추가단위요금", empty=True),
        day_pass_won=_whole(text, "1일주차권요금", empty=True) or None,
        day_pass_from_minutes=_whole(text, "1일주차권요금적용시간", empty=True) or None,
        monthly_pass_won=_whole(text, "월정기권요금", empty=True) or None,
    )
    match text["요금정보"]:
        case "무료":
            fees.kind = pb.FEE_KIND_FREE
        case "유료" if fees.basic_fee_won or fees.unit_fee_won:
            fees.kind = pb.FEE_KIND_METERED
        case "유료":
            fees.kind = pb.FEE_KIND_CONTRACT
        case other:
            raise Unreadable("요금정보", f"expected 무료 or 유료, found {other!r}")
    return fees


def _whole(text: Mapping[str, str], column: str, *, empty: bool = False) -> int:
    if empty and not text[column]:
        return 0
    if not re.fullmatch(r"\d{1,9}", text[column], re.ASCII):
        raise Unreadable(column, f"expected a whole number, found {text[column]!r}")
    return int(text[column])
