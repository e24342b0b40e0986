"""Messages from a room, read generously: old forms, other spellings, fields left out.

What is read as a field is checked; a refusal names the field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from emergency.domain.incident import Grade, Position, Status
from emergency.domain.scsns import linked, seoul
from emergency.errors import MessageRefused, MessageUnreadable

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_AXES = ("crdntX", "crdntY")
_NESTED = ("apSeq", "tranSysHis", "callBack")


def _wrong(expectation: str) -> PydanticCustomError:
    return PydanticCustomError("scsns", "expected {expectation}", {"expectation": expectation})


def _clean(value: str) -> str:
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise _wrong("text without NUL and lone surrogates")
    return value.strip()


def _absent_when_empty(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        return None
    # Senders that do not know the place send empty coordinates.
    if isinstance(value, dict) and all(value.get(axis) in ("", None) for axis in _AXES):
        return None
    return value


def _event_id(value: str) -> str:
    if not linked.EVENT_ID.fullmatch(value):
        raise _wrong("an event kind of 6 to 12 capital letters and digits, such as 112UC001")
    return value


def _seoul_time(value: str) -> datetime:
    try:
        return seoul.parse(value)
    except ValueError as error:
        raise _wrong("a Seoul time yyyyMMddHHmmss or yyyyMMddHHmmssSSS") from error


def _occurrence_number(value: str) -> str:
    _seoul_time(value)
    return value


def _status(value: object) -> object:
    if str(value) not in linked.STATUSES:
        raise _wrong(f"one of {', '.join(linked.STATUSES)}")
    return linked.STATUSES[str(value)]


def _grade(value: object) -> object:
    if str(value) not in linked.GRADES:
        raise _wrong("10 (urgent) or 20 (normal)")
    return linked.GRADES[str(value)]


Text = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_clean)]
Short = Annotated[str, StringConstraints(max_length=200), AfterValidator(_clean)]
Required = Annotated[Short, StringConstraints(min_length=1)]
Time = Annotated[datetime, BeforeValidator(lambda value: _seoul_time(str(value)))]
StatusCode = Annotated[Status, BeforeValidator(_status)]
GradeCode = Annotated[Grade, BeforeValidator(_grade)]
T = TypeVar("T")
Optional = Annotated[T | None, BeforeValidator(_absent_when_empty)]


class _Wire(BaseModel):
    """Unknown fields are ignored; numbers are taken where the format has strings."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


class Header(_Wire):
    """The header fields that decide what becomes of a message; the others are not needed."""

    svcTy: Required
    sendCd: Required
    sysCd: Required
    encAt: Literal["Y", "N"] = "N"
    rrKey: Short = ""


class Place(_Wire):
    """WGS 84 degrees."""

    crdntX: Annotated[float, Field(ge=-180, le=180)]
    crdntY: Annotated[float, Field(ge=-90, le=90)]


class State(_Wire):
    """The status a second time."""

    ocrEvtStsCd: Optional[StatusCode] = None


class User(_Wire):
    """Who set the status."""

    ocrEvtUsrId: Short = ""
    ocrEvtUsrNm: Short = ""


class Item(_Wire):
    """A free key and value."""

    key: Required
    val: Text = ""


class Event(_Wire):
    """The body of an EVENT; `ocrNbr` as the sender wrote it, all times aware UTC."""

    evtId: Annotated[str, AfterValidator(_event_id)]
    evtNm: Short = ""
    evtGrad: Optional[GradeCode] = None
    ocrNbr: Annotated[str, AfterValidator(_occurrence_number)]
    ocrSts: StatusCode
    ocrLc: Optional[Place] = None
    ocrPlc: Short = ""
    ocrEvtCn: Text = ""
    ocrEvtTime: Optional[Time] = None
    ocrEvtSts: State = State()
    ocrEvtStsUsr: User = Field(
        default=User(), validation_alias=AliasChoices("ocrEvtStsUsr", "ocrEvtUsr")
    )
    ocrEvtStsTime: Optional[Time] = None
    ocrEvtItem: Annotated[tuple[Item, ...], Field(max_length=100)] = ()

    @property
    def occurred_at(self) -> datetime:
        """When it happened; the occurrence number is that time where the field is left out."""
        return self.ocrEvtTime or seoul.parse(self.ocrNbr)

    @property
    def position(self) -> Position | None:
        """Where, when the sender says so."""
        return Position(self.ocrLc.crdntY, self.ocrLc.crdntX) if self.ocrLc else None

    @property
    def user(self) -> str:
        """Name or id of who set the status, may be empty."""
        return self.ocrEvtStsUsr.ocrEvtUsrNm or self.ocrEvtStsUsr.ocrEvtUsrId

    @property
    def items(self) -> dict[str, str]:
        """Free items by key."""
        return {item.key: item.val for item in self.ocrEvtItem}


class Credentials(_Wire):
    """The body of an AUTH."""

    apiKey: Required


_Model = TypeVar("_Model", bound=_Wire)


class Message:
    """One readable request.

    Raises MessageUnreadable for bytes that are no message, MessageRefused for a form's field that
    is not the JSON it must be.
    """

    def __init__(self, content_type: str, raw: bytes) -> None:
        self._fields = _read(content_type, raw)

    def header(self, service: Literal["AUTH", "EVENT"], session_key: str = "") -> Header:
        """The checked header. Raises MessageRefused.

        `session_key` is the HTTP header's, for senders that leave `rrKey` out.
        """
        header = _checked(Header, self._fields, "")
        if header.svcTy != service:
            raise MessageRefused("svcTy", f"expected {service} on this path")
        if header.encAt == "Y":
            raise MessageRefused("encAt", "ARIA-256 encryption is not supported, send N")
        if session_key and header.rrKey and session_key != header.rrKey:
            raise MessageRefused("rrKey", "expected the same key as X-Scsns-Secret")
        return header.model_copy(update={"rrKey": header.rrKey or session_key})

    def credentials(self) -> Credentials:
        """The body of an AUTH. Raises MessageRefused."""
        return _checked(Credentials, self._body(), "body")

    def event(self) -> Event:
        """The body of an EVENT. Raises MessageRefused."""
        event = _checked(Event, self._body(), "body")
        if event.ocrEvtSts.ocrEvtStsCd not in (None, event.ocrSts):
            raise MessageRefused("body.ocrEvtSts.ocrEvtStsCd", "expected the status of ocrSts")
        return event

    def digest(self) -> bytes:
        """SHA-256 of the whole body, unknown fields too; order of keys and spaces do not count."""
        text = json.dumps(self._body(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()

    def _body(self) -> Mapping[str, Any]:
        body = self._fields.get("body", self._fields.get("Body"))
        if isinstance(body, str):
            body = _parsed(body, "body")
        if not isinstance(body, dict):
            raise MessageRefused("body", "expected an object")
        return body


def _checked(model: type[_Model], value: object, where: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in (where, *first["loc"]) if part != "")
        raise MessageRefused(path or "message", first["msg"]) from error


def _read(content_type: str, raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MessageUnreadable("expected UTF-8") from error
    if content_type == JSON:
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise MessageUnreadable(f"expected JSON: {error}") from error
        if not isinstance(fields, dict):
            raise MessageUnreadable("expected a JSON object")
        return fields
    if content_type == FORM:
        try:
            form: dict[str, Any] = dict(
                parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
            )
        except ValueError as error:
            raise MessageUnreadable(f"expected a form: {error}") from error
        return form | {name: _parsed(form[name], name) for name in _NESTED if form.get(name)}
    raise MessageUnreadable(f"content type: expected {JSON} or {FORM}")


def _parsed(text: str, field: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageRefused(field, "expected a JSON string") from error
