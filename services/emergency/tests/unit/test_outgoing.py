"""Messages to a room, to the byte."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from emergency.domain.incident import Facts, Grade, Incident, Position, Source, Status
from emergency.domain.scsns.linked import event_id
from emergency.domain.scsns.outgoing import (
    Party,
    answer_body,
    auth_body,
    envelope,
    event_body,
)

AT = datetime(2019, 3, 5, 4, 0, tzinfo=UTC)
INCIDENT = Incident(
    id=UUID("5f6a2f64-3c5c-5d0e-9a6b-0e5f6d1c7a11"),
    kind="air.pm10",
    status=Status.OCCURRED,
    facts=Facts(
        Grade.NORMAL,
        "미세먼지(PM10) 주의보",
        "두 시간 연속",
        "보람동",
        Position(36.48, 127.2890001),
        {"pollutant": "PM10", "level": "ADVISORY", "value": "162"},
    ),
    occurred_at=AT,
    changed_at=AT,
    changed_by="sensors",
    source=Source("sensors", "a1"),
    number=1_551_758_400_001,
)
BODY = (
    '{"evtId":"DUCDP110","evtNm":"재난상황 긴급대응 지원","evtGrad":"20",'
    '"ocrNbr":"20190305130000001","ocrSts":"10",'
    '"ocrLc":{"crdntX":"127.2890001","crdntY":"36.48","crdntZ":"0"},"ocrPlc":"보람동",'
    '"ocrEvtCn":"[미세먼지(PM10) 주의보] 두 시간 연속","ocrEvtTime":"20190305130000",'
    '"ocrEvtSts":{"ocrEvtStsCd":"10","ocrEvtStsDtl":"발생"},'
    '"ocrEvtStsUsr":{"ocrEvtUsrId":"sensors","ocrEvtUsrNm":"sensors"},'
    '"ocrEvtStsTime":"20190305130000","ocrEvtItemCnt":"5","ocrEvtItem":['
    '{"key":"incidentId","val":"5f6a2f64-3c5c-5d0e-9a6b-0e5f6d1c7a11"},'
    '{"key":"revision","val":"1"},{"key":"pollutant","val":"PM10"},'
    '{"key":"level","val":"ADVISORY"},{"key":"value","val":"162"}],'
    '"ocrEvtDtl":{"ocrEvtDtlCd":"air.pm10","ocrEvtDtlCdDtl":"미세먼지(PM10) 주의보"}}'
)


def test_the_body_of_an_event() -> None:
    assert event_body(INCIDENT) == BODY


def test_the_message_around_it() -> None:
    headers, data = envelope("EVENT", Party("B3611000000", "DHB"), "B4113000000", "key-1", AT, BODY)
    assert headers == {
        "X-Scsns-svcTy": "EVENT",
        "X-Scsns-sendCd": "B3611000000",
        "X-Scsns-rcvCd": "B4113000000",
        "X-Scsns-sysCd": "DHB",
        "X-Scsns-encAt": "N",
        "X-Scsns-Secret": "key-1",
        "X-Scsns-type": "sync",
        "Content-Type": "application/json; charset=utf-8",
    }
    assert data.decode() == (
        '{"svcTy":"EVENT","sendCd":"B3611000000","rcvCd":"B4113000000","sysCd":"DHB","encAt":"N",'
        '"hdCnt":"14","dtCnt":"16","apSeq":{"apCurrent":"1","apTotal":"1"},"cmnMtd":"1",'
        '"tranTy":"HTTP","rrKey":"key-1","reqDate":"20190305130000",'
        f'"bodyLen":"{len(BODY)}","tranSysHis":[{{"tranSysHis":"B3611000000_DHB"}}],'
        f'"callBack":{{"useYn":"N","targetUrl":""}},"body":{BODY}}}'
    )


def test_the_body_of_an_auth() -> None:
    assert auth_body("비밀") == (
        '{"startTag":"$DA","endTag":"$DB","finishTag":"$DF","apiKey":"비밀"}'
    )


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (Status.CHANGED, "40", "변경"),
        (Status.CLEARED, "50", "해제"),
        (Status.CANCELLED, "90", "취소"),
    ],
)
def test_status_codes_and_the_end_time(status: Status, code: str, word: str) -> None:
    end = datetime(2019, 3, 5, 6, 30, tzinfo=UTC)
    body = json.loads(event_body(INCIDENT.advance(status, end, "operator")))
    assert (body["ocrSts"], body["ocrEvtSts"]["ocrEvtStsDtl"]) == (code, word)
    assert body["ocrNbr"] == "20190305130000001"
    assert body["ocrEvtStsTime"] == "20190305153000"
    assert body.get("ocrEvtEndTime") == (None if status is Status.CHANGED else "20190305153000")


def test_completed_is_91() -> None:
    cleared = INCIDENT.advance(Status.CLEARED, AT, "operator")
    body = json.loads(event_body(cleared.advance(Status.COMPLETED, AT, "operator")))
    assert (body["ocrSts"], body["ocrEvtSts"]["ocrEvtStsDtl"]) == ("91", "종료")


def test_an_unknown_position_is_left_out_or_marked() -> None:
    nowhere = replace(INCIDENT, facts=replace(INCIDENT.facts, position=None, place=""))
    body = json.loads(event_body(nowhere))
    assert "ocrLc" not in body
    assert body["ocrPlc"] == "위치 미상"
    marked = json.loads(event_body(nowhere, Position(37.7, 127.0)))
    assert marked["ocrLc"] == {"crdntX": "127", "crdntY": "37.7", "crdntZ": "0"}
    assert {"key": "positionKnown", "val": "N"} in marked["ocrEvtItem"]
    assert marked["ocrEvtItemCnt"] == str(len(marked["ocrEvtItem"]))


@pytest.mark.parametrize(
    ("desk", "evt_id", "name"),
    [("112", "112UC120", "112 긴급출동 지원"), ("119", "119UC001", "119 긴급출동 지원")],
)
def test_a_dispatch_is_told_by_the_desks_service(desk: str, evt_id: str, name: str) -> None:
    facts = replace(INCIDENT.facts, grade=Grade.URGENT, police_code=1, desks=(desk,))
    changed = replace(INCIDENT, kind="fight", facts=facts).advance(Status.CHANGED, AT, "kim")
    body = json.loads(event_body(changed, desk=desk))
    assert (body["evtId"], body["evtNm"], body["evtGrad"]) == (evt_id, name, "10")
    assert body["ocrSts"] == "40"
    first = json.loads(event_body(changed, desk=desk, shown=Status.OCCURRED))
    assert (first["ocrSts"], first["ocrEvtSts"]["ocrEvtStsDtl"]) == ("10", "발생")


def test_an_answer_bears_the_rooms_own_number() -> None:
    source = Source("B4113000000_IPC", "20190305130000", "112")
    asked = replace(INCIDENT, kind="112UC001", source=source)
    later = AT + timedelta(minutes=1)
    body = json.loads(answer_body(asked, 2, later, "emergency", {"카메라": "없음"}))
    assert (body["evtId"], body["ocrNbr"], body["ocrSts"]) == ("112UC001", "20190305130000", "40")
    assert body["ocrEvtStsTime"] == "20190305130100"
    assert body["ocrEvtStsUsr"]["ocrEvtUsrId"] == "emergency"
    assert body["ocrEvtItem"] == [
        {"key": "incidentId", "val": str(INCIDENT.id)},
        {"key": "answer", "val": "2"},
        {"key": "카메라", "val": "없음"},
    ]


@pytest.mark.parametrize(
    ("kind", "linked"),
    [("air.o3", "DUCDP110"), ("fire", "119UC001"), ("112UC001", "112UC001"), ("x", "DUCDP110")],
)
def test_the_linked_service_of_a_kind(kind: str, linked: str) -> None:
    assert event_id(kind) == linked
