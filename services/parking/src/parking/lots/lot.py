"""Lots: where they are, what they cost, who runs them."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from city_backbone.geo import Point

from parking.lots.fees import FeeKind, FeeSchedule
from parking.lots.hours import OperatingHours
from parking.lots.terms import LotKind

PUBLIC_SCHEME = "public"


class Published(NamedTuple):
    """What a public lot is in the national data set: 제공기관코드, 주차장관리번호, 주차장명.

    In lower case and, the name, in Unicode's composed form, so that one spelling stands for one.
    """

    provider_code: str
    management_number: str
    name: str


def published(provider_code: str, management_number: str, name: str) -> Published:
    return Published(
        provider_code.lower(), management_number.lower(), unicodedata.normalize("NFC", name)
    )


@dataclass(frozen=True, slots=True)
class Lot:
    """fees of a SHARED lot has the lowest price that owners may ask; each bay has its own.

    published, data_date: PUBLIC only. unit_fee limits: SHARED only, won.
    """

    lot_id: str
    kind: LotKind
    name: str
    address: str
    position: Point
    hours: OperatingHours
    fees: FeeSchedule
    operator: str
    phone: str
    remark: str
    district: str
    scheme: str
    min_unit_fee_won: int = 0
    max_unit_fee_won: int = 0
    published: Published | None = None
    data_date: date | None = None


def shared_fees(unit_minutes: int, unit_fee_won: int, day_pass_won: int | None) -> FeeSchedule:
    """Of an alley: by the unit from the first minute, around the clock."""
    return FeeSchedule(
        FeeKind.METERED,
        unit_minutes=unit_minutes,
        unit_fee_won=unit_fee_won,
        day_pass_won=day_pass_won,
    )


def lot_ids(wanted: Sequence[Published], known: Mapping[Published, str]) -> list[str]:
    """The ids of public lots, in the order given; `known` has the ids of those already here.

    A lot is its provider, number and name. One that is known keeps its id for good, whatever comes
    beside it later: bookings and the ledger have it. A new one is `<provider>-<number>`, unless
    the number stands for another name too, in this call or among the known: then it is
    `<provider>-<number>-<8 hex digits of the name's SHA-256>`. So of two lots under one number
    each keeps its own row, whichever comes first, together or alone, and however often.
    """
    names: dict[tuple[str, str], set[str]] = {}
    for one in {*wanted, *known}:
        names.setdefault((one.provider_code, one.management_number), set()).add(one.name)
    return [
        known.get(one) or _new_id(one, names[one.provider_code, one.management_number])
        for one in wanted
    ]


def _new_id(one: Published, names: Iterable[str]) -> str:
    plain = f"{one.provider_code}-{one.management_number}"
    if set(names) == {one.name}:
        return plain
    return f"{plain}-{hashlib.sha256(one.name.encode()).hexdigest()[:8]}"
