"""Reading an SCSNS message from a request, strictly."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import Field, ValidationError

from loadtests.rooms.errors import RefusedError, UnreadableError
from loadtests.rooms.fields import (
    CityCode,
    Digits,
    EventBody,
    SeoulTime,
    SystemCode,
    Text,
    Wire,
)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_NESTED_IN_FORM = ("apSeq", "tranSysHis", "callBack", "body")
_MIRRORED = ("svcTy", "sendCd", "rcvCd", "sysCd", "encAt")


class ApSeq(Wire):
    """Part of parts; this format knows only one of one."""

    apCurrent: Literal["1"]
    apTotal: Literal["1"]


class SystemHistory(Wire):
    """One system the message passed, `<city code>_<system code>`."""

    tranSysHis: Text


class CallBack(Wire):
    """Where a later answer would go."""

    useYn: Literal["Y", "N"]
    targetUrl: str = ""


class Header(Wire):
    """The top-level fields but the body."""

    svcTy: Literal["AUTH", "EVENT"]
    hdCnt: Literal["14"]
    dtCnt: Literal["16"]
    apSeq: ApSeq
    cmnMtd: Literal["1"]
    sendCd: CityCode
    rcvCd: CityCode
    encAt: Literal["N", "Y"]
    tranTy: Literal["HTTP"]
    rrKey: str = ""
    reqDate: SeoulTime
    bodyLen: Digits
    sysCd: SystemCode
    tranSysHis: tuple[SystemHistory, ...] = Field(strict=False, min_length=1)
    callBack: CallBack


class AuthBody(Wire):
    """The body of an AUTH."""

    startTag: Literal["$DA"]
    endTag: Literal["$DB"]
    finishTag: Literal["$DF"]
    apiKey: str


_Body = TypeVar("_Body", AuthBody, EventBody)


class Message:
    """The fields of one readable request, before any is checked.

    Raises UnreadableError when `raw` is neither a JSON object nor a form, or when a field of the
    form that must be JSON is not.
    """

    def __init__(self, content_type: str, raw: bytes) -> None:
        fields = _read(content_type, raw)
        fields = {"body" if name == "Body" else name: value for name, value in fields.items()}
        self._body_lengths: set[int] = set()
        if content_type == FORM:
            self._body_lengths = _sizes(fields.get("body", ""))
            fields |= {k: _nested(k, fields[k]) for k in _NESTED_IN_FORM if k in fields}
            # The form the interworking module publishes has no callBack at all.
            fields.setdefault("callBack", {"useYn": "N"})
        self._body_lengths |= _lengths(fields.get("body"))
        if isinstance(fields.get("tranSysHis"), dict):
            fields["tranSysHis"] = [fields["tranSysHis"]]
        self._fields = fields

    def header(self, service: Literal["AUTH", "EVENT"], http: Mapping[str, str]) -> Header:
        """The checked header of a `service` call; `http` must mirror it. Raises RefusedError."""
        header = _checked(Header, self._fields, "")
        if header.svcTy != service:
            raise RefusedError("svcTy", f"expected {service} on this path, not {header.svcTy}")
        mirror = {f"X-Scsns-{name}": getattr(header, name) for name in _MIRRORED}
        mirror |= {"X-Scsns-Secret": header.rrKey, "X-Scsns-type": "sync"}
        for name, value in mirror.items():
            if http.get(name, "") != value:
                raise RefusedError(name, "expected the value of the message header")
        if header.encAt == "Y":
            raise RefusedError("encAt", "ARIA-256 is not supported; send encAt N")
        if int(header.bodyLen) not in self._body_lengths:
            raise RefusedError("bodyLen", "expected the length of the body's JSON text")
        return header

    def body(self, model: type[_Body]) -> _Body:
        """The checked body. Raises RefusedError."""
        return _checked(model, self._fields.get("body"), "body")

    def body_sha256(self) -> str:
        """Hash of the whole body, unknown fields too; order of keys and spaces do not count."""
        text = json.dumps(self._fields.get("body"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


_Model = TypeVar("_Model", bound=Wire)


def _checked(model: type[_Model], value: object, where: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in (where, *first["loc"]) if part != "")
        raise RefusedError(path or "message", first["msg"]) from error


def _read(content_type: str, raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode()
        if content_type == JSON:
            fields = json.loads(text)
            if isinstance(fields, dict):
                return fields
            raise UnreadableError("expected a JSON object")
        if content_type == FORM:
            pairs = parse_qsl(
                text,
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=99,
            )
            if len(dict(pairs)) == len(pairs):
                return dict(pairs)
            raise UnreadableError("a form field is posted twice")
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not {content_type}: {error}") from error
    raise UnreadableError(f"content type {content_type!r}: expected {JSON} or {FORM}")


def _nested(name: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name}: expected a JSON string: {error}") from error


def _lengths(body: object) -> set[int]:
    """What senders may mean by the length: with and without spaces and escapes."""
    texts = (
        json.dumps(body, ensure_ascii=escaped, separators=separators)
        for escaped in (False, True)
        for separators in ((",", ":"), (", ", ": "))
    )
    return {size for text in texts for size in _sizes(text)}


def _sizes(text: str) -> set[int]:
    return {len(text), len(text.encode(errors="surrogatepass"))}
