"""Messages from a room, in every form senders use."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from emergency.domain.incident import Grade, Position, Status
from emergency.domain.scsns.incoming import FORM, JSON, Message
from emergency.errors import MessageRefused, MessageUnreadable
from hypothesis import given
from hypothesis import strategies as st

BODY: dict[str, Any] = {
    "evtId": "112UC001",
    "evtNm": "112센터 긴급영상 지원",
    "evtGrad": "10",
    "ocrNbr": "20261121180000123",
    "ocrSts": "10",
    "ocrLc": {"crdntX": "127.0337", "crdntY": "37.7381", "crdntZ": "0"},
    "ocrPlc": "의정부역 동부광장",
    "ocrEvtCn": "폭행 신고",
    "ocrEvtTime": "20261121175900",
    "ocrEvtSts": {"ocrEvtStsCd": "10", "ocrEvtStsDtl": "발생"},
    "ocrEvtStsUsr": {"ocrEvtUsrId": "op7", "ocrEvtUsrNm": "근무자"},
    "ocrEvtStsTime": "20261121180000",
    "ocrEvtItemCnt": "1",
    "ocrEvtItem": [{"key": "code", "val": "0"}],
    "ocrEvtDtl": {"ocrEvtDtlCd": "1", "ocrEvtDtlCdDtl": "폭행"},
}
HEADER: dict[str, Any] = {
    "svcTy": "EVENT",
    "hdCnt": "14",
    "dtCnt": "16",
    "apSeq": {"apCurrent": "1", "apTotal": "1"},
    "cmnMtd": "1",
    "sendCd": "B4113000000",
    "rcvCd": "B4113000000",
    "encAt": "N",
    "tranTy": "HTTP",
    "rrKey": "k",
    "reqDate": "20261121180001",
    "bodyLen": "9",
    "sysCd": "IPC",
    "tranSysHis": [{"tranSysHis": "B4113000000_IPC"}],
    "callBack": {"useYn": "N", "targetUrl": ""},
}


def message(header: dict[str, Any] | None = None, **body: Any) -> Message:
    fields = HEADER | {"body": BODY | body} | (header or {})
    return Message(JSON, json.dumps(fields, ensure_ascii=False).encode())


def without(name: str) -> Message:
    body = {key: value for key, value in BODY.items() if key != name}
    return Message(JSON, json.dumps(HEADER | {"body": body}).encode())


def form(body_name: str = "Body") -> Message:
    fields = HEADER | {"tranSysHis": HEADER["tranSysHis"][0]}
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
    texts[body_name] = json.dumps(BODY, ensure_ascii=False)
    return Message(FORM, urlencode(texts).encode())


def test_a_whole_message() -> None:
    one = message()
    header, event = one.header("EVENT"), one.event()
    assert (header.sendCd, header.sysCd, header.rrKey) == ("B4113000000", "IPC", "k")
    assert (event.ocrSts, event.evtGrad, event.user) == (Status.OCCURRED, Grade.URGENT, "근무자")
    assert event.position == Position(37.7381, 127.0337)
    assert event.occurred_at == datetime(2026, 11, 21, 8, 59, tzinfo=UTC)
    assert event.ocrEvtStsTime == datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    assert event.items == {"code": "0"}


@pytest.mark.parametrize("name", ["Body", "body"])
def test_the_old_form_says_the_same(name: str) -> None:
    old, new = form(name), message()
    assert old.event() == new.event()
    assert old.header("EVENT").sendCd == new.header("EVENT").sendCd
    assert old.digest() == new.digest()


@pytest.mark.parametrize(
    "header",
    [
        {"tranSysHis": {"tranSysHis": "B4113000000_IPC"}},
        {"body": None, "Body": BODY},
        {"body": json.dumps(BODY)},
        {"somethingNew": {"a": 1}, "callBack": None},
    ],
)
def test_variants_of_the_message(header: dict[str, Any]) -> None:
    if "Body" in header:
        fields = {k: v for k, v in (HEADER | header).items() if k != "body"}
        one = Message(JSON, json.dumps(fields).encode())
    else:
        one = message(header)
    assert one.event() == message().event()
    assert one.header("EVENT").svcTy == "EVENT"


def test_variants_of_the_body() -> None:
    one = message(
        ocrNbr="20261121180000", ocrSts=10, evtGrad=20, ocrEvtStsTime=20261121180000, unknown=[1]
    ).event()
    assert one.ocrNbr == "20261121180000"
    assert (one.ocrSts, one.evtGrad) == (Status.OCCURRED, Grade.NORMAL)


def test_the_other_name_of_the_user() -> None:
    body = {k: v for k, v in BODY.items() if k != "ocrEvtStsUsr"}
    body["ocrEvtUsr"] = {"ocrEvtUsrId": "op7"}
    assert Message(JSON, json.dumps(HEADER | {"body": body}).encode()).event().user == "op7"


@pytest.mark.parametrize("code", ["91", "92"])
def test_both_codes_of_the_end(code: str) -> None:
    state = {"ocrEvtStsCd": "91" if code == "92" else "92"}
    assert message(ocrSts=code, ocrEvtSts=state).event().ocrSts is Status.COMPLETED


OPTIONAL = [name for name in BODY if name not in ("evtId", "ocrNbr", "ocrSts")]


@pytest.mark.parametrize("name", OPTIONAL)
def test_optional_fields_may_be_left_out(name: str) -> None:
    assert without(name).event().ocrNbr == BODY["ocrNbr"]


@pytest.mark.parametrize("name", ["evtGrad", "ocrEvtTime", "ocrEvtStsTime", "ocrPlc", "evtNm"])
def test_optional_fields_may_be_empty(name: str) -> None:
    empty: dict[str, Any] = {name: ""}
    assert message(**empty).event().ocrNbr == BODY["ocrNbr"]


def test_what_is_left_out_is_derived() -> None:
    assert without("ocrEvtTime").event().occurred_at == datetime(
        2026, 11, 21, 9, 0, 0, 123_000, tzinfo=UTC
    )
    assert message(ocrLc={"crdntX": "", "crdntY": "", "crdntZ": "0"}).event().position is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"evtId": "?"}, "body.evtId"),
        ({"evtId": None}, "body.evtId"),
        ({"ocrNbr": "20261301000000"}, "body.ocrNbr"),
        ({"ocrNbr": "1"}, "body.ocrNbr"),
        ({"ocrSts": "41"}, "body.ocrSts"),
        ({"evtGrad": "30"}, "body.evtGrad"),
        ({"ocrLc": {"crdntX": "181", "crdntY": "1"}}, "body.ocrLc.crdntX"),
        ({"ocrLc": {"crdntX": "1", "crdntY": "nan"}}, "body.ocrLc.crdntY"),
        ({"ocrLc": "x"}, "body.ocrLc"),
        ({"ocrEvtTime": "2026-11-21"}, "body.ocrEvtTime"),
        ({"ocrEvtTime": "00010101000000"}, "body.ocrEvtTime"),
        ({"ocrEvtTime": "99991231235959"}, "body.ocrEvtTime"),
        ({"ocrEvtStsTime": "20261121250000"}, "body.ocrEvtStsTime"),
        ({"ocrEvtCn": "x" * 4001}, "body.ocrEvtCn"),
        ({"ocrEvtCn": "a\x00b"}, "body.ocrEvtCn"),
        ({"ocrEvtCn": "\ud800"}, "body.ocrEvtCn"),
        ({"ocrPlc": ["x"]}, "body.ocrPlc"),
        ({"ocrEvtItem": [{"key": "", "val": "1"}]}, "body.ocrEvtItem.0.key"),
        ({"ocrEvtSts": {"ocrEvtStsCd": "40"}}, "body.ocrEvtSts.ocrEvtStsCd"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    fields = HEADER | {"body": BODY | changes}
    with pytest.raises(MessageRefused) as refused:
        Message(JSON, json.dumps(fields).encode()).event()
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("header", "key", "field"),
    [
        ({"svcTy": "PREEVT"}, "", "svcTy"),
        ({"svcTy": "AUTH"}, "", "svcTy"),
        ({"sendCd": ""}, "", "sendCd"),
        ({"sysCd": None}, "", "sysCd"),
        ({"encAt": "Y", "body": "ffee"}, "", "encAt"),
        ({"encAt": "?"}, "", "encAt"),
        ({}, "other", "rrKey"),
    ],
)
def test_a_wrong_header_is_named(header: dict[str, Any], key: str, field: str) -> None:
    with pytest.raises(MessageRefused) as refused:
        message(header).header("EVENT", key)
    assert refused.value.field == field


def test_encryption_is_refused_with_the_reason() -> None:
    with pytest.raises(MessageRefused, match="ARIA-256"):
        message({"encAt": "Y", "body": "ffee"}).header("EVENT")


def test_the_key_may_come_in_the_http_header_only() -> None:
    assert message({"rrKey": ""}).header("EVENT", "from-http").rrKey == "from-http"


@pytest.mark.parametrize("body", [None, [], 1, "{", "[]"])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(MessageRefused) as refused:
        message({"body": body}).event()
    assert refused.value.field == "body"


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        (JSON, b"{"),
        (JSON, b"[]"),
        (JSON, b"\xff"),
        (JSON, b"[" * 100_000),
        (FORM, b"&".join(b"a%d=1" % i for i in range(200))),
        (FORM, b"a=%ff"),
        ("text/plain", b"{}"),
    ],
)
def test_bytes_that_are_no_message(content_type: str, raw: bytes) -> None:
    with pytest.raises(MessageUnreadable):
        Message(content_type, raw)


def test_a_broken_part_of_a_form_is_named() -> None:
    with pytest.raises(MessageRefused, match="apSeq"):
        Message(FORM, b"svcTy=EVENT&apSeq={")


def test_the_digest_sees_unknown_fields_but_not_the_order() -> None:
    backwards = dict(reversed(BODY.items()))
    assert message({"body": backwards}).digest() == message().digest()
    assert message(vendor="x").digest() != message().digest()


@given(st.binary(max_size=300), st.sampled_from([JSON, FORM]))
def test_no_bytes_break_it(raw: bytes, content_type: str) -> None:
    try:
        one = Message(content_type, raw)
        one.header("EVENT")
        one.event()
    except (MessageRefused, MessageUnreadable):
        pass


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
def test_no_value_of_a_field_breaks_it(value: Any) -> None:
    for name in BODY:
        fields = HEADER | {"body": BODY | {name: value}}
        try:
            one = Message(JSON, json.dumps(fields).encode())
            one.event()
            one.digest()
        except (MessageRefused, MessageUnreadable):
            pass
