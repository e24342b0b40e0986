"""What the room takes and refuses of the wire format."""

import json
from typing import Any

import pytest

EVENT = "/linkHttp/recvEvent.json"


@pytest.mark.asyncio
async def test_a_form_is_taken_as_older_senders_post_it(
    peer: Any, body: Any, envelope: Any
) -> None:
    fields = envelope("EVENT", peer.session_key, body())
    fields["bodyLen"] = str(len(json.dumps(body(), ensure_ascii=False)))
    status, answer = await peer.post(EVENT, fields, form=True)
    assert (status, answer["result"]) == (200, "0")
    (recorded,) = await peer.get("/control/events")
    assert recorded["items"] == {"pm10": "182"}
    assert recorded["evtNm"] == "미세먼지 주의보"


@pytest.mark.asyncio
async def test_json_and_form_of_one_body_are_one_effect(
    peer: Any, body: Any, envelope: Any
) -> None:
    await peer.event(body())
    fields = envelope("EVENT", peer.session_key, body())
    _, answer = await peer.post(EVENT, fields, form=True)
    assert answer["message"] == "already received"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "variant",
    [
        {"ocrNbr": "20190305140000"},
        {"ocrEvtEndTime": ""},
        {"unknown": {"field": 1}},
        {"status": "92"},
        {"ocrEvtItemCnt": "0", "ocrEvtItem": []},
    ],
)
async def test_what_senders_vary_is_taken(peer: Any, body: Any, variant: Any) -> None:
    answer = await peer.event(body(**variant), tranSysHis={"tranSysHis": "B4113000000_DHB"})
    assert answer["result"] == "0", answer


@pytest.mark.asyncio
async def test_other_names_of_body_and_user_are_taken(peer: Any, body: Any, envelope: Any) -> None:
    sent = body()
    sent["ocrEvtUsr"] = sent.pop("ocrEvtStsUsr")
    fields = envelope("EVENT", peer.session_key, sent)
    fields["Body"] = fields.pop("body")
    assert (await peer.post(EVENT, fields))[1]["result"] == "0"


SPOILT_BODIES = [
    ("body.evtId", {"evtId": "119UC999"}),
    ("body.evtNm", {"evtNm": "fine dust"}),
    ("body.evtGrad", {"evtGrad": "30"}),
    ("body.ocrNbr", {"ocrNbr": "2019030514000000"}),
    ("body.ocrNbr", {"ocrNbr": "20191305140000"}),
    ("body.ocrSts", {"ocrSts": "11"}),
    ("body.ocrLc.crdntX", {"ocrLc": {"crdntX": "181", "crdntY": "37.5", "crdntZ": "0"}}),
    ("body.ocrLc.crdntY", {"ocrLc": {"crdntX": "37.5", "crdntY": "126.7", "crdntZ": "0"}}),
    ("body.ocrLc.crdntZ", {"ocrLc": {"crdntX": "126.7", "crdntY": "37.5", "crdntZ": "NaN"}}),
    ("body.ocrLc.crdntX", {"ocrLc": {"crdntX": 126.7, "crdntY": "37.5", "crdntZ": "0"}}),
    ("body.ocrPlc", {"ocrPlc": ""}),
    ("body.ocrEvtCn", {"ocrEvtCn": None}),
    ("body.ocrEvtTime", {"ocrEvtTime": "2019-03-05"}),
    ("body.ocrEvtTime", {"ocrEvtTime": "20190305240000"}),
    ("body.ocrEvtSts", {"ocrEvtSts": {"ocrEvtStsCd": "40", "ocrEvtStsDtl": "변경"}}),
    (
        "body.ocrEvtSts.ocrEvtStsDtl",
        {"ocrEvtSts": {"ocrEvtStsCd": "10", "ocrEvtStsDtl": "변경"}},
    ),
    ("body.ocrEvtStsUsr.ocrEvtUsrNm", {"ocrEvtStsUsr": {"ocrEvtUsrId": "x"}}),
    ("body.ocrEvtStsTime", {"ocrEvtStsTime": ""}),
    ("body.ocrEvtEndTime", {"status": "91", "ocrEvtEndTime": ""}),
    ("body.ocrEvtEndTime", {"ocrEvtEndTime": "soon"}),
    ("body.ocrEvtItemCnt", {"ocrEvtItemCnt": "2"}),
    ("body.ocrEvtItem.0.val", {"ocrEvtItem": [{"key": "pm10", "val": 182}]}),
    ("body.ocrEvtItem", {"ocrEvtItem": [{"key": "a", "val": "1"}, {"key": "a", "val": "2"}]}),
    ("body.ocrEvtDtl.ocrEvtDtlCd", {"ocrEvtDtl": {"ocrEvtDtlCdDtl": "대기질"}}),
    ("body.ocrPlc", {"ocrPlc": "\ud800"}),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("field", "spoilt"), SPOILT_BODIES)
async def test_a_wrong_body_field_is_refused_by_name(
    peer: Any, body: Any, field: str, spoilt: Any
) -> None:
    answer = await peer.event(body(**spoilt))
    assert answer["result"] == "1"
    assert answer["message"].startswith(field + ":"), answer
    counts = await peer.get("/control/counts")
    assert (counts["accepted"], counts["refused"]) == (0, 1)
    assert counts["last_refusal"] == answer["message"]


@pytest.mark.asyncio
async def test_every_body_field_must_be_there(peer: Any, body: Any) -> None:
    for name in set(body()) - {"ocrEvtEndTime"}:
        sent = body()
        del sent[name]
        answer = await peer.event(sent)
        assert answer["message"].startswith(f"body.{name}:"), (name, answer)


@pytest.mark.asyncio
async def test_every_header_field_must_be_there(peer: Any, body: Any, envelope: Any) -> None:
    for name in set(envelope("EVENT", "", {})) - {"body", "rrKey"}:
        fields = envelope("EVENT", peer.session_key, body())
        del fields[name]
        _, answer = await peer.post(EVENT, fields)
        assert answer["message"].startswith(f"{name}:"), (name, answer)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("field", "spoilt"),
    [
        ("svcTy", {"svcTy": "AUTH"}),
        ("svcTy", {"svcTy": "PREEVT"}),
        ("hdCnt", {"hdCnt": "15"}),
        ("apSeq.apTotal", {"apSeq": {"apCurrent": "1", "apTotal": "2"}}),
        ("sendCd", {"sendCd": "4113000000"}),
        ("encAt", {"encAt": "Y"}),
        ("rrKey", {"rrKey": ""}),
        ("reqDate", {"reqDate": "20190230000000"}),
        ("bodyLen", {"bodyLen": "7"}),
        ("tranSysHis", {"tranSysHis": []}),
        ("callBack.useYn", {"callBack": {"useYn": "no"}}),
        ("body", {"body": None, "bodyLen": "4"}),
    ],
)
async def test_a_wrong_header_field_is_refused_by_name(
    peer: Any, body: Any, field: str, spoilt: Any
) -> None:
    answer = await peer.event(body(), **spoilt)
    assert answer["result"] == "1"
    assert answer["message"].startswith(field + ":"), answer


@pytest.mark.asyncio
async def test_http_headers_must_mirror_the_message(peer: Any, body: Any, envelope: Any) -> None:
    fields = envelope("EVENT", peer.session_key, body())
    names = ("svcTy", "sendCd", "rcvCd", "sysCd", "encAt", "Secret", "type")
    for name in (f"X-Scsns-{name}" for name in names):
        _, answer = await peer.post(EVENT, fields, headers={name: "other"})
        assert answer["message"].startswith(f"{name}:")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("application/json", b"{"),
        ("application/json", b"\xff"),
        ("application/json", b"[]"),
        ("application/json", b"[" * 200_000),
        ("application/x-www-form-urlencoded", b"svcTy"),
        ("application/x-www-form-urlencoded", b"Body=%7B"),
        ("application/x-www-form-urlencoded", b"svcTy=EVENT&svcTy=AUTH"),
        ("application/x-www-form-urlencoded", b"svcTy=%FF"),
        ("text/plain", b"{}"),
    ],
)
async def test_what_is_no_message_is_answered_400(
    peer: Any, body: Any, content_type: str, data: bytes
) -> None:
    status, answer = await peer.raw(EVENT, data, **{"Content-Type": content_type})
    assert (status, answer["result"]) == (400, "1")
    assert answer["message"]
    assert (await peer.event(body()))["result"] == "0"


@pytest.mark.asyncio
async def test_more_than_a_mebibyte_is_answered_413(peer: Any) -> None:
    headers = {"Content-Type": "application/json"}
    status, answer = await peer.raw(EVENT, b" " * (1 << 20) + b"{}", **headers)
    assert (status, answer["result"]) == (413, "1")
