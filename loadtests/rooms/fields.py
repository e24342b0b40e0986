"""Field types and the body of an SCSNS EVENT, as the wire format gives them. All are strings."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

Status = Literal["10", "40", "50", "90", "91", "92"]
STATUS_WORDS = {"10": "발생", "40": "변경", "50": "해제", "90": "취소", "91": "종료", "92": "종료"}
FINAL = frozenset({"90", "91", "92"})

_DECIMAL = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)


def wrong(expectation: str) -> PydanticCustomError:
    """The error of a field that is not `expectation`."""
    return PydanticCustomError("scsns", "expected {expectation}", {"expectation": expectation})


def _seoul_time(value: str) -> str:
    try:
        if re.fullmatch(r"[0-9]{14}", value):
            datetime.strptime(value, "%Y%m%d%H%M%S")
            return value
    except ValueError:
        pass
    raise wrong("a Seoul time yyyyMMddHHmmss")


def _occurrence_number(value: str) -> str:
    if not re.fullmatch(r"[0-9]{14}([0-9]{3})?", value):
        raise wrong("an occurrence number yyyyMMddHHmmss or yyyyMMddHHmmssSSS")
    _seoul_time(value[:14])
    return value


def _decimal(low: int, high: int, name: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not _DECIMAL.fullmatch(value) or not low <= Decimal(value) <= high:
            raise wrong(f"{name}, a decimal from {low} to {high} as a string")
        return value

    return check


def _korean(value: str) -> str:
    if not re.search("[가-힣]", value):
        raise wrong("a Korean name")
    return value


Text = Annotated[str, StringConstraints(min_length=1)]
KoreanText = Annotated[str, AfterValidator(_korean)]
SeoulTime = Annotated[str, AfterValidator(_seoul_time)]
OccurrenceNumber = Annotated[str, AfterValidator(_occurrence_number)]
CityCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][0-9]{10}$")]
SystemCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3,5}$")]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")]
Longitude = Annotated[str, AfterValidator(_decimal(-180, 180, "WGS 84 longitude"))]
Latitude = Annotated[str, AfterValidator(_decimal(-90, 90, "WGS 84 latitude"))]
Height = Annotated[str, AfterValidator(_decimal(-1000, 10000, "height in metres"))]


class Wire(BaseModel):
    """A part of a message: unknown fields are ignored, known ones are strings."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Location(Wire):
    """WGS 84 position."""

    crdntX: Longitude
    crdntY: Latitude
    crdntZ: Height


class OccurrenceState(Wire):
    """Status code and its word."""

    ocrEvtStsCd: Status
    ocrEvtStsDtl: Text

    @field_validator("ocrEvtStsDtl")
    @classmethod
    def _word_of_code(cls, value: str, info: ValidationInfo) -> str:
        word = STATUS_WORDS.get(info.data.get("ocrEvtStsCd", ""), value)
        if value != word:
            raise wrong(word)
        return value


class StateUser(Wire):
    """Who set the status."""

    ocrEvtUsrId: Text
    ocrEvtUsrNm: Text


class Item(Wire):
    """One free key and value."""

    key: Text
    val: str


class Detail(Wire):
    """The finer class of an event."""

    ocrEvtDtlCd: Text
    ocrEvtDtlCdDtl: Text


class EventBody(Wire):
    """The body of an EVENT. Only `ocrEvtEndTime` may be left out, and only before the end."""

    evtId: Literal["112UC001", "112UC120", "119UC001", "DUCDP110", "WPSSF110", "MOJUC110"]
    evtNm: KoreanText
    evtGrad: Literal["10", "20"]
    ocrNbr: OccurrenceNumber
    ocrSts: Status
    ocrLc: Location
    ocrPlc: Text
    ocrEvtCn: Text
    ocrEvtTime: SeoulTime
    ocrEvtSts: OccurrenceState
    ocrEvtStsUsr: StateUser = Field(validation_alias=AliasChoices("ocrEvtStsUsr", "ocrEvtUsr"))
    ocrEvtStsTime: SeoulTime
    ocrEvtEndTime: str = Field(default="", validate_default=True)
    ocrEvtItem: tuple[Item, ...] = Field(strict=False)
    ocrEvtItemCnt: Digits
    ocrEvtDtl: Detail

    @field_validator("ocrEvtSts")
    @classmethod
    def _same_status(cls, value: OccurrenceState, info: ValidationInfo) -> OccurrenceState:
        if value.ocrEvtStsCd != info.data.get("ocrSts", value.ocrEvtStsCd):
            raise wrong("ocrEvtStsCd equal to ocrSts")
        return value

    @field_validator("ocrEvtEndTime")
    @classmethod
    def _end_when_final(cls, value: str, info: ValidationInfo) -> str:
        return _seoul_time(value) if value or info.data.get("ocrSts") in FINAL else value

    @field_validator("ocrEvtItem")
    @classmethod
    def _keys_once(cls, value: tuple[Item, ...]) -> tuple[Item, ...]:
        if len({item.key for item in value}) != len(value):
            raise wrong("each key once")
        return value

    @field_validator("ocrEvtItemCnt")
    @classmethod
    def _count_of_items(cls, value: str, info: ValidationInfo) -> str:
        items = info.data.get("ocrEvtItem")
        if items is not None and int(value) != len(items):
            raise wrong(f"the number of items, {len(items)}")
        return value
