"""The room's own calls: AUTH at a peer, then one EVENT."""

import json
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from loadtests.rooms.errors import SendError
from loadtests.rooms.message import FORM, JSON

_SEOUL = ZoneInfo("Asia/Seoul")
_MAX_ANSWER = 1 << 20


class SendRequest(BaseModel):
    """What POST /control/send takes; `body` goes out as it is, right or wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = Field(pattern=r"^https?://")
    api_key: SecretStr
    body: dict[str, Any]
    encoding: Literal["json", "form"] = "json"
    auth_path: str = Field(default="/api/getAuth.json", pattern="^/")
    event_path: str = Field(default="/integrationPlatformEvent", pattern="^/")
    send_cd: str = "B4113000000"
    rcv_cd: str = "B4113000000"
    sys_cd: str = "IPC"


class Answer(BaseModel):
    """A peer's answer: the HTTP status and the JSON object that came with it."""

    status: int
    answer: dict[str, Any]

    @property
    def granted(self) -> bool:
        """Whether the peer took the call."""
        return self.status == 200 and self.answer.get("result") == "0"


class SendReport(BaseModel):
    """What became of a SendRequest; `event` is null when AUTH was refused."""

    auth: Answer
    event: Answer | None


async def send(request: SendRequest, deadline_seconds: float) -> SendReport:
    """AUTH, then EVENT, each within `deadline_seconds`. Raises SendError."""
    timeout = aiohttp.ClientTimeout(total=deadline_seconds)
    key = request.api_key.get_secret_value()
    auth_body = {"startTag": "$DA", "endTag": "$DB", "finishTag": "$DF", "apiKey": key}
    async with aiohttp.ClientSession(timeout=timeout) as http:
        auth = await _call(http, request, "AUTH", request.auth_path, "", auth_body)
        if not auth.granted:
            return SendReport(auth=auth, event=None)
        session_key = str(auth.answer.get("message", ""))
        event = await _call(http, request, "EVENT", request.event_path, session_key, request.body)
        return SendReport(auth=auth, event=event)


async def _call(
    http: aiohttp.ClientSession,
    request: SendRequest,
    service: str,
    path: str,
    session_key: str,
    body: dict[str, Any],
) -> Answer:
    url = request.target.rstrip("/") + path
    fields = _fields(request, service, session_key, body)
    headers = {f"X-Scsns-{n}": fields[n] for n in ("svcTy", "sendCd", "rcvCd", "sysCd", "encAt")}
    headers |= {"X-Scsns-Secret": session_key, "X-Scsns-type": "sync"}
    if request.encoding == "json":
        data = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        headers["Content-Type"] = JSON
    else:
        data = urlencode(_form(fields))
        headers["Content-Type"] = FORM
    try:
        async with http.post(url, data=data.encode(), headers=headers) as response:
            status, raw = response.status, b""
            async for chunk in response.content.iter_chunked(1 << 16):
                raw += chunk
                if len(raw) > _MAX_ANSWER:
                    raise SendError(f"{url}: {service}: an answer over {_MAX_ANSWER} bytes")
    except TimeoutError as error:
        raise SendError(f"{url}: no answer to {service} in time", timed_out=True) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise SendError(f"{url}: {service} failed: {error}") from error
    try:
        return Answer(status=status, answer=json.loads(raw))
    except (ValueError, RecursionError) as error:
        raise SendError(f"{url}: {service}: HTTP {status}, not a JSON object") from error


def _fields(
    request: SendRequest, service: str, session_key: str, body: dict[str, Any]
) -> dict[str, Any]:
    return {
        "svcTy": service,
        "hdCnt": "14",
        "dtCnt": "16",
        "apSeq": {"apCurrent": "1", "apTotal": "1"},
        "cmnMtd": "1",
        "sendCd": request.send_cd,
        "rcvCd": request.rcv_cd,
        "encAt": "N",
        "tranTy": "HTTP",
        "rrKey": session_key,
        "reqDate": datetime.now(_SEOUL).strftime("%Y%m%d%H%M%S"),
        "bodyLen": str(len(_compact(body))),
        "sysCd": request.sys_cd,
        "tranSysHis": [{"tranSysHis": f"{request.send_cd}_{request.sys_cd}"}],
        "callBack": {"useYn": "N", "targetUrl": ""},
        "body": body,
    }


def _form(fields: dict[str, Any]) -> dict[str, str]:
    """The older senders' form: nested fields as JSON strings, `Body`, one object as history."""
    form = fields | {"tranSysHis": fields["tranSysHis"][0], "Body": fields["body"]}
    del form["body"], form["callBack"]
    return {name: v if isinstance(v, str) else _compact(v) for name, v in form.items()}


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
