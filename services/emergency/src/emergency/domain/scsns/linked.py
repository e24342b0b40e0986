"""Linked services (연계 서비스) of the format, status and grade codes."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from emergency.domain.incident import Grade, Status

SERVICES: Mapping[str, str] = MappingProxyType(
    {
        "112UC001": "112센터 긴급영상 지원",
        "112UC120": "112 긴급출동 지원",
        "119UC001": "119 긴급출동 지원",
        "DUCDP110": "재난상황 긴급대응 지원",
        "WPSSF110": "사회적 약자 지원",
        "MOJUC110": "전자발찌 위치추적 지원",
    }
)
DISASTER = "DUCDP110"
FIRE_REQUEST = "119UC001"
VIDEO_REQUESTS = frozenset({"112UC001", FIRE_REQUEST})
_BY_DESK = {"112": "112UC120", "119": "119UC001"}
_BY_KIND = {"fire": "119UC001", "rescue": "119UC001", "medical": "119UC001"}
EVENT_ID = re.compile(r"[0-9A-Z]{6,12}", re.ASCII)

STATUS_CODES: Mapping[Status, str] = MappingProxyType(
    {
        Status.OCCURRED: "10",
        Status.CHANGED: "40",
        Status.CLEARED: "50",
        Status.CANCELLED: "90",
        Status.COMPLETED: "91",
    }
)
STATUS_WORDS: Mapping[Status, str] = MappingProxyType(
    {
        Status.OCCURRED: "발생",
        Status.CHANGED: "변경",
        Status.CLEARED: "해제",
        Status.CANCELLED: "취소",
        Status.COMPLETED: "종료",
    }
)
# 92 is the automatic end in some senders.
STATUSES: Mapping[str, Status] = MappingProxyType(
    {code: status for status, code in STATUS_CODES.items()} | {"92": Status.COMPLETED}
)
GRADE_CODES: Mapping[Grade, str] = MappingProxyType({Grade.URGENT: "10", Grade.NORMAL: "20"})
GRADES: Mapping[str, Grade] = MappingProxyType({code: g for g, code in GRADE_CODES.items()})


def event_id(kind: str, desk: str | None = None) -> str:
    """The `evtId` for a dispatch desk; else of a kind: one that is an `evtId` stays, others go by
    their service.
    """
    if desk is not None:
        return _BY_DESK[desk]
    if kind in SERVICES:
        return kind
    return _BY_KIND.get(kind, DISASTER)
