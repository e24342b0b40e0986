"""Messages to a room: the AUTH and EVENT envelopes and the EVENT body of an incident."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from emergency.domain.incident import Incident, Position, Status
from emergency.domain.number import instant
from emergency.domain.scsns import seoul
from emergency.domain.scsns.linked import (
    GRADE_CODES,
    SERVICES,
    STATUS_CODES,
    STATUS_WORDS,
    event_id,
)

ServiceType = Literal["AUTH", "EVENT"]
TAGS = {"startTag": "$DA", "endTag": "$DB", "finishTag": "$DF"}


@dataclass(frozen=True, slots=True)
class Party:
    """Who sends: a city code such as B4113000000 and a system code such as IPC."""

    city_code: str
    system_code: str


def auth_body(api_key: str) -> str:
    """The body of an AUTH, as JSON text."""
    return _json(TAGS | {"apiKey": api_key})


def event_body(
    incident: Incident,
    unknown_position: Position | None = None,
    desk: str | None = None,
    shown: Status | None = None,
) -> str:
    """The body of the EVENT that tells of this revision, as JSON text.

    The same incident gives the same bytes. `unknown_position` stands in where the incident has
    none, and is then marked by the item `positionKnown`; without it `ocrLc` is left out. `desk` is
    the one that the room is told as. `shown` stands instead of the status: a room that is called
    later is told of an occurrence, not of a change. The incident must have its number.
    """
    if incident.number is None:
        raise ValueError("an incident has its number once it is stored")
    position, items = incident.facts.position, {}
    if position is None and unknown_position is not None:
        position = unknown_position
        items["positionKnown"] = "N"
    return _body(
        incident,
        shown or incident.status,
        event_id(incident.kind, desk),
        seoul.milliseconds(instant(incident.number)),
        position,
        {
            "incidentId": str(incident.id),
            "revision": str(incident.revision),
            **incident.facts.items,
            **items,
        },
    )


def answer_body(
    incident: Incident, number: int, at: datetime, by: str, items: Mapping[str, str]
) -> str:
    """The body of the EVENT that answers the room which asked for video, as JSON text.

    It bears the room's own `ocrNbr` and `evtId`; `number` counts the answers, from 1.
    """
    return _body(
        replace(incident, changed_at=at, changed_by=by),
        Status.CHANGED,
        incident.kind,
        incident.source.reference,
        incident.facts.position,
        {"incidentId": str(incident.id), "answer": str(number), **items},
    )


def _body(
    incident: Incident,
    shown: Status,
    evt_id: str,
    occurrence: str,
    position: Position | None,
    items: Mapping[str, str],
) -> str:
    facts, status = incident.facts, STATUS_CODES[shown]
    body: dict[str, Any] = {
        "evtId": evt_id,
        "evtNm": SERVICES.get(evt_id, facts.title),
        "evtGrad": GRADE_CODES[facts.grade],
        "ocrNbr": occurrence,
        "ocrSts": status,
    }
    if position is not None:
        body["ocrLc"] = {
            "crdntX": _degrees(position.longitude),
            "crdntY": _degrees(position.latitude),
            "crdntZ": "0",
        }
    body |= {
        "ocrPlc": facts.place or "위치 미상",
        "ocrEvtCn": f"[{facts.title}] {facts.description}" if facts.description else facts.title,
        "ocrEvtTime": seoul.seconds(incident.occurred_at),
        "ocrEvtSts": {"ocrEvtStsCd": status, "ocrEvtStsDtl": STATUS_WORDS[shown]},
        "ocrEvtStsUsr": {"ocrEvtUsrId": incident.changed_by, "ocrEvtUsrNm": incident.changed_by},
        "ocrEvtStsTime": seoul.seconds(incident.changed_at),
    }
    if incident.ended_at is not None:
        body["ocrEvtEndTime"] = seoul.seconds(incident.ended_at)
    body |= {
        "ocrEvtItemCnt": str(len(items)),
        "ocrEvtItem": [{"key": key, "val": value} for key, value in items.items()],
        "ocrEvtDtl": {"ocrEvtDtlCd": incident.kind, "ocrEvtDtlCdDtl": facts.title},
    }
    return _json(body)


def envelope(
    service: ServiceType,
    sender: Party,
    receive_code: str,
    session_key: str,
    now: datetime,
    body: str,
) -> tuple[dict[str, str], bytes]:
    """HTTP headers and the bytes of one call; `body` is JSON text and goes out unchanged.

    `bodyLen` counts characters, as the public module does; `session_key` is empty on AUTH.
    """
    mirrored = {
        "svcTy": service,
        "sendCd": sender.city_code,
        "rcvCd": receive_code,
        "sysCd": sender.system_code,
        "encAt": "N",
    }
    fields: Mapping[str, object] = mirrored | {
        "hdCnt": "14",
        "dtCnt": "16",
        "apSeq": {"apCurrent": "1", "apTotal": "1"},
        "cmnMtd": "1",
        "tranTy": "HTTP",
        "rrKey": session_key,
        "reqDate": seoul.seconds(now),
        "bodyLen": str(len(body)),
        "tranSysHis": [{"tranSysHis": f"{sender.city_code}_{sender.system_code}"}],
        "callBack": {"useYn": "N", "targetUrl": ""},
    }
    headers = {f"X-Scsns-{name}": value for name, value in mirrored.items()}
    headers |= {
        "X-Scsns-Secret": session_key,
        "X-Scsns-type": "sync",
        "Content-Type": "application/json; charset=utf-8",
    }
    return headers, f'{_json(fields)[:-1]},"body":{body}}}'.encode()


def answer(result: Literal["0", "1"], message: str) -> dict[str, str]:
    """What AUTH and EVENT are answered with; `result` "1" is a failure, `message` its reason."""
    return TAGS | {"result": result, "message": message}


def _degrees(value: float) -> str:
    """About a centimetre, no exponent."""
    return f"{value:.7f}".rstrip("0").rstrip(".")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
