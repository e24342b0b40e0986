"""The 119 room's stand-in: what it has been told, and asking who it is that needs help."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg

from loadtests.city.cameras.places import Point
from meshctl.demo import record

_KST = timezone(timedelta(hours=9))
_POLL_SECONDS = 0.2
_WAIT_SECONDS = 60
_HTTP_SECONDS = 15
CASES = "건강 이상"


@dataclass(frozen=True, slots=True)
class Peer:
    """What the room calls itself, and where emergency takes its messages."""

    target: str
    api_key: str
    send_code: str
    system_code: str


class FireRoom:
    """`url` is of the stand-in, `dsn` of emergency's database: which incident is of which case."""

    def __init__(self, url: str, file: Path, peer: Peer, dsn: str) -> None:
        self._url = url
        self._file = file
        self._peer = peer
        self._dsn = dsn

    async def told_of(self, case_id: str) -> None:
        """Returns once it has been, or after a minute: the account says so then."""
        await self._until(lambda: self._incident(case_id) in record.told(self._file))

    async def ask(self, number: str, place: str, point: Point) -> None:
        """A 119UC001 for that place; returns once the answer names somebody, or after a minute."""
        request = _request(number, place, point)
        await self._until(lambda: self._send(request))
        await self._until(lambda: f"{CASES} 1 이름" in answers(self._file, number))

    async def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            if await asyncio.to_thread(done) or time.monotonic() > deadline:
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _incident(self, case_id: str) -> str:
        """Empty while there is none."""
        try:
            with psycopg.connect(self._dsn, connect_timeout=5) as connection:
                row = connection.execute(
                    "select incident_id::text from incident"
                    " where source = 'health' and source_reference = %s",
                    (case_id,),
                ).fetchone()
        except psycopg.OperationalError:
            return ""
        return str(row[0]) if row else ""

    def _send(self, body: Mapping[str, Any]) -> bool:
        """Whether emergency took it; what it took before, it takes again without effect."""
        order = {
            "target": self._peer.target,
            "api_key": self._peer.api_key,
            "send_cd": self._peer.send_code,
            "sys_cd": self._peer.system_code,
            "body": body,
        }
        request = urllib.request.Request(
            f"{self._url}/control/send",
            json.dumps(order).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_HTTP_SECONDS) as answer:
                event = json.load(answer)["event"]
        except (OSError, ValueError):
            return False
        return event is not None and event["answer"].get("result") == "0"


def answers(file: Path, number: str) -> Mapping[str, str]:
    """All items of the answers to the room's own `number`, the newest of each."""
    items: dict[str, str] = {}
    for line in record.lines(file):
        if line["ocrNbr"] == number and "answer" in line["items"]:
            items |= line["items"]
    return items


def own_number(count: int) -> str:
    """An occurrence number of the room's own: Seoul time to milliseconds."""
    at = datetime.now(_KST).replace(microsecond=0) + timedelta(milliseconds=count)
    return f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03}"


def _request(number: str, place: str, point: Point) -> Mapping[str, Any]:
    return {
        "evtId": "119UC001",
        "evtGrad": "10",
        "ocrNbr": number,
        "ocrSts": "10",
        "ocrLc": {"crdntX": f"{point[1]:.6f}", "crdntY": f"{point[0]:.6f}", "crdntZ": "0"},
        "ocrPlc": place,
        "ocrEvtCn": "키오스크에서 쓰러진 사람",
        "ocrEvtTime": number[:14],
        "ocrEvtSts": {"ocrEvtStsCd": "10", "ocrEvtStsDtl": "발생"},
        "ocrEvtItemCnt": "0",
        "ocrEvtItem": [],
    }
