"""A running stand-in room, a peer that speaks to it, right messages to spoil; a sensors."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import grpc
import pytest
import pytest_asyncio
from city.sensors.v1 import sensors_pb2 as pb
from city.sensors.v1.sensors_pb2_grpc import SensorsServiceServicer

from loadtests.rooms import Room, RoomSettings

Fields = dict[str, Any]
API_KEY = "열쇠-key"


@dataclass
class Clock:
    """Seconds that pass when told."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def event_body(**changes: Any) -> Fields:
    """A right EVENT body; `status` and `time` set all fields that repeat them."""
    status, time = changes.pop("status", "10"), changes.pop("time", "20190305140000")
    words = {"10": "발생", "40": "변경", "50": "해제", "90": "취소", "91": "종료", "92": "종료"}
    return {
        "evtId": "DUCDP110",
        "evtNm": "미세먼지 주의보",
        "evtGrad": "20",
        "ocrNbr": "20190305140000001",
        "ocrSts": status,
        "ocrLc": {"crdntX": "126.7832", "crdntY": "37.5045", "crdntZ": "0"},
        "ocrPlc": "부천시 중동",
        "ocrEvtCn": "PM10 시간평균 182 µg/m³",
        "ocrEvtTime": "20190305140000",
        "ocrEvtSts": {"ocrEvtStsCd": status, "ocrEvtStsDtl": words[status]},
        "ocrEvtStsUsr": {"ocrEvtUsrId": "citymesh", "ocrEvtUsrNm": "자동"},
        "ocrEvtStsTime": time,
        "ocrEvtEndTime": time if status in {"90", "91", "92"} else "",
        "ocrEvtItemCnt": "1",
        "ocrEvtItem": [{"key": "pm10", "val": "182"}],
        "ocrEvtDtl": {"ocrEvtDtlCd": "AIR", "ocrEvtDtlCdDtl": "대기질"},
    } | changes


def message(service: str, session_key: str, body: Fields) -> Fields:
    """A right message around `body`."""
    return {
        "svcTy": service,
        "hdCnt": "14",
        "dtCnt": "16",
        "apSeq": {"apCurrent": "1", "apTotal": "1"},
        "cmnMtd": "1",
        "sendCd": "B4113000000",
        "rcvCd": "B4119000000",
        "encAt": "N",
        "tranTy": "HTTP",
        "rrKey": session_key,
        "reqDate": "20190305140001",
        "bodyLen": str(len(json.dumps(body, ensure_ascii=False, separators=(",", ":")))),
        "sysCd": "DHB",
        "tranSysHis": [{"tranSysHis": "B4113000000_DHB"}],
        "callBack": {"useYn": "N", "targetUrl": ""},
        "body": body,
    }


def http_headers(fields: Fields) -> dict[str, str]:
    """The HTTP headers that mirror a message."""
    mirrored = ("svcTy", "sendCd", "rcvCd", "sysCd", "encAt")
    headers = {f"X-Scsns-{name}": str(fields.get(name, "")) for name in mirrored}
    return headers | {"X-Scsns-Secret": str(fields.get("rrKey", "")), "X-Scsns-type": "sync"}


def as_form(fields: Fields) -> Fields:
    """Older senders' fields: nested ones as JSON strings, `Body`, one object as history."""
    form = {name: value for name, value in fields.items() if name not in {"body", "callBack"}}
    form |= {"tranSysHis": fields["tranSysHis"][0], "Body": fields["body"]}
    return {
        name: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)
        for name, v in form.items()
    }


@dataclass
class Peer:
    """A client of one room that keeps its session key."""

    http: aiohttp.ClientSession
    url: str
    session_key: str = ""

    async def raw(self, path: str, data: bytes | str, **headers: str) -> tuple[int, Fields]:
        """Post bytes; HTTP status and answer."""
        async with self.http.post(self.url + path, data=data, headers=headers) as response:
            answer: Fields = await response.json()
            return response.status, answer

    async def post(
        self,
        path: str,
        fields: Fields,
        *,
        form: bool = False,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Fields]:
        """Post a message with the headers that mirror it."""
        sent = http_headers(fields) | (headers or {})
        if form:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            return await self.raw(path, urlencode(as_form(fields)), **sent)
        sent["Content-Type"] = "application/json"
        return await self.raw(path, json.dumps(fields), **sent)

    async def auth(self, api_key: str = API_KEY) -> Fields:
        """AUTH, keeping the key."""
        body = {"startTag": "$DA", "endTag": "$DB", "finishTag": "$DF", "apiKey": api_key}
        _, answer = await self.post("/api/getAuth.json", message("AUTH", "", body))
        if answer["result"] == "0":
            self.session_key = answer["message"]
        return answer

    async def event(self, body: Fields, /, **header: Any) -> Fields:
        """EVENT in JSON; the answer, which came with HTTP 200."""
        fields = message("EVENT", self.session_key, body) | header
        status, answer = await self.post("/linkHttp/recvEvent.json", fields)
        assert status == 200
        return answer

    async def control(self, path: str = "", **order: Any) -> Any:
        """A control call that is taken."""
        async with self.http.post(f"{self.url}/control{path}", json=order) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def get(self, path: str) -> Any:
        """GET a control path."""
        async with self.http.get(self.url + path) as response:
            assert response.status == 200, await response.text()
            return await response.json()


@dataclass
class Rooms:
    """Opens rooms on one record, whose own time is `behind`."""

    record: Path
    clock: Clock = field(default_factory=Clock)
    behind: timedelta = timedelta()

    def settings(self, **changes: Any) -> RoomSettings:
        """Settings of a room on this record."""
        given = {"kind": "disaster", "record": self.record, "api_key": API_KEY}
        return RoomSettings.model_validate(given | changes)

    def _now(self) -> datetime:
        return datetime.now(UTC) - self.behind

    @asynccontextmanager
    async def open(self, **changes: Any) -> AsyncIterator[tuple[Room, Peer]]:
        """A running room and a peer that is not authenticated."""
        timeout = aiohttp.ClientTimeout(total=20)
        async with (
            Room(self.settings(**changes), self.clock, self._now).running() as room,
            aiohttp.ClientSession(timeout=timeout) as http,
        ):
            yield room, Peer(http, room.url)


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path / "room.jsonl")


@pytest_asyncio.fixture
async def peer(rooms: Rooms) -> AsyncIterator[Peer]:
    """An authenticated peer of a running room."""
    async with rooms.open() as (_, one):
        await one.auth()
        yield one


@pytest.fixture
def body() -> Callable[..., Fields]:
    return event_body


@pytest.fixture
def envelope() -> Callable[[str, str, Fields], Fields]:
    return message


class Sensors(SensorsServiceServicer):
    """Keeps what it takes; fails as told, before or after taking it."""

    def __init__(self) -> None:
        self.stations: dict[str, pb.Station] = {}
        self.keys: set[str] = set()
        self.calls: list[list[tuple[str, datetime]]] = []
        self.taken: list[tuple[str, datetime]] = []
        self.fail_before: list[grpc.StatusCode] = []
        self.fail_after: list[grpc.StatusCode] = []
        self.map: list[pb.AirQuality] = []
        self.called = asyncio.Event()

    async def RegisterStation(self, request: Any, context: Any) -> pb.RegisterStationResponse:
        self.keys.add(request.idempotency_key)
        self.stations[request.station.station_id] = request.station
        return pb.RegisterStationResponse(station=request.station)

    async def GetMap(self, request: Any, context: Any) -> pb.GetMapResponse:
        return pb.GetMapResponse(air_qualities=self.map)

    async def PublishReadings(self, requests: Any, context: Any) -> pb.PublishReadingsResponse:
        sent = [
            (reading.station_id, reading.measured_at.ToDatetime(UTC))
            async for request in requests
            for reading in request.readings
        ]
        self.calls.append(sent)
        if self.fail_before:
            await context.abort(self.fail_before.pop(0), "told to")
        answer = pb.PublishReadingsResponse()
        for index, one in enumerate(sent):
            if one[0] not in self.stations:
                result = answer.results.add(index=index, status=pb.READING_STATUS_REFUSED)
                result.problems.add(reason=pb.PROBLEM_REASON_UNKNOWN_STATION)
                answer.refused += 1
            elif one in self.taken:
                answer.duplicates += 1
            else:
                answer.accepted += 1
                self.taken.append(one)
        self.called.set()
        if self.fail_after:
            await context.abort(self.fail_after.pop(0), "told to")
        return answer

    async def GetStation(self, request: Any, context: Any) -> Any:
        raise AssertionError("not called by the city")

    ListStations = RetireStation = GetAirQuality = ListAlerts = GetStation

    def WatchAirQuality(self, request: Any, context: Any) -> Any:
        raise AssertionError("not called by the city")


@pytest.fixture
def sensors() -> Sensors:
    return Sensors()
