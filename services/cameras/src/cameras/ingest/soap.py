"""WS-BaseNotification's Notify out of XML that nobody vouches for, and SOAP faults back.

Taken: SOAP 1.2, SOAP 1.1, and a bare Notify. Names are matched by namespace, never by prefix.
No DTD, no entities, nothing external; depth and number of elements are bounded while parsing, the
size by whoever reads the body.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from cameras.errors import CamerasError
from cameras.ingest.notification import Notification, Operation, Unusable, Why, utc
from cameras.ingest.topic import canonical, short

SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
WSNT = "http://docs.oasis-open.org/wsn/b-2"
ONVIF = "http://www.onvif.org/ver10/schema"

MAX_DEPTH = 32
MAX_ELEMENTS = 5_000
MAX_MESSAGES = 200
MAX_DETAIL = 400

# Samsung's firmware sends SimpleItemDescription where SimpleItem is meant.
_ITEMS = (f"{{{ONVIF}}}SimpleItem", f"{{{ONVIF}}}SimpleItemDescription")
_TOPIC = f"{{{WSNT}}}Topic"


class Malformed(CamerasError):
    """The document is no Notify; the message says what was found and what was expected.

    `soap` is the namespace of the sender's SOAP version, as far as it was read.
    """

    def __init__(self, message: str, soap: str = SOAP_12) -> None:
        super().__init__(message)
        self.soap = soap


@dataclass(frozen=True, slots=True)
class Notify:
    """The messages in their order. soap: the namespace of the sender's SOAP version."""

    messages: Sequence[Notification | Unusable]
    soap: str = SOAP_12


def read(body: bytes, namespaces: Mapping[str, str]) -> Notify:
    """namespaces: of the topics' usual prefixes. Raises Malformed."""
    builder = _Builder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    try:
        parser.feed(body)
        root = parser.close()
    except Malformed as error:
        raise Malformed(str(error), builder.soap) from None
    except DefusedXmlException as error:
        raise Malformed(
            f"{type(error).__name__}: expected no document type and no entities"
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise Malformed(f"not well-formed XML: {error}", builder.soap) from error
    soap, notify = _notify(root)
    found = notify.findall(f"{{{WSNT}}}NotificationMessage")
    if not found:
        raise Malformed("Notify: no NotificationMessage, expected at least one", soap)
    if len(found) > MAX_MESSAGES:
        raise Malformed(f"Notify: {len(found)} messages, expected at most {MAX_MESSAGES}", soap)
    return Notify([_message(element, builder.declared, namespaces) for element in found], soap)


def fault(text: str, soap: str = SOAP_12, sender: bool = True) -> tuple[bytes, str]:
    """A SOAP fault and its content type. sender: whether the fault is theirs."""
    if soap == SOAP_11:
        inner = (
            f"<faultcode>e:{'Client' if sender else 'Server'}</faultcode>"
            f"<faultstring>{escape(text)}</faultstring>"
        )
        content_type = "text/xml"
    else:
        inner = (
            f"<e:Code><e:Value>e:{'Sender' if sender else 'Receiver'}</e:Value></e:Code>"
            f'<e:Reason><e:Text xml:lang="en">{escape(text)}</e:Text></e:Reason>'
        )
        content_type = "application/soap+xml"
    envelope = (
        f'<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="{soap}"><e:Body><e:Fault>'
        f"{inner}</e:Fault></e:Body></e:Envelope>"
    )
    return envelope.encode("utf-8", "replace"), content_type


class _Builder(TreeBuilder):
    """A tree of bounded depth and size; remembers which prefixes each Topic could use."""

    def __init__(self) -> None:
        super().__init__()
        self.declared: dict[Element, Mapping[str, str]] = {}
        self.soap = SOAP_12
        self._depth = 0
        self._elements = 0
        self._scopes: dict[str, list[str]] = {}

    def start_ns(self, prefix: str | None, uri: str) -> None:
        self._scopes.setdefault(prefix or "", []).append(uri)

    def end_ns(self, prefix: str | None) -> None:
        self._scopes[prefix or ""].pop()

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH:
            raise Malformed(f"elements nested deeper than {MAX_DEPTH}")
        if self._elements > MAX_ELEMENTS:
            raise Malformed(f"more than {MAX_ELEMENTS} elements")
        if self._depth == 1 and tag.startswith(f"{{{SOAP_11}}}"):
            self.soap = SOAP_11
        element = super().start(tag, attrs)
        if tag == _TOPIC:
            self.declared[element] = {
                prefix: uris[-1] for prefix, uris in self._scopes.items() if prefix and uris
            }
        return element

    def end(self, tag: str) -> Element:
        self._depth -= 1
        return super().end(tag)


def _notify(root: Element) -> tuple[str, Element]:
    if root.tag == f"{{{WSNT}}}Notify":
        return SOAP_12, root
    for soap in (SOAP_12, SOAP_11):
        if root.tag == f"{{{soap}}}Envelope":
            body = root.find(f"{{{soap}}}Body")
            if body is None:
                raise Malformed("Envelope: no Body", soap)
            notify = body.find(f"{{{WSNT}}}Notify")
            if notify is None:
                held = ", ".join(child.tag for child in body)[:200] or "nothing"
                raise Malformed(f"Body: {held}, expected {{{WSNT}}}Notify", soap)
            return soap, notify
    raise Malformed(f"{root.tag[:200]}: expected a SOAP Envelope or {{{WSNT}}}Notify")


def _message(
    element: Element,
    declared: Mapping[Element, Mapping[str, str]],
    namespaces: Mapping[str, str],
) -> Notification | Unusable:
    said = element.find(_TOPIC)
    if said is None:
        return Unusable("", Why.NO_TOPIC, "")
    text = said.text or ""
    try:
        topic = canonical(text, declared[said], namespaces)
    except ValueError as error:
        return Unusable("", Why.BAD_TOPIC, str(error)[:MAX_DETAIL])
    message = element.find(f"{{{WSNT}}}Message/{{{ONVIF}}}Message")
    if message is None:
        return Unusable(short(topic), Why.NO_MESSAGE, "")
    time = message.get("UtcTime", "")
    try:
        when = utc(time)
    except (ValueError, OverflowError):
        return Unusable(short(topic), Why.BAD_TIME, f"UtcTime {time[:40]!r}")
    operation = message.get("PropertyOperation", Operation.CHANGED)
    if operation not in set(Operation):
        return Unusable(short(topic), Why.BAD_OPERATION, f"PropertyOperation {operation[:40]!r}")
    return Notification(
        topic,
        when,
        Operation(operation),
        dict(_items(message, "Source")),
        dict(_items(message, "Key")),
        dict(_items(message, "Data")),
    )


def _items(message: Element, part: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for item in message.iterfind(f"{{{ONVIF}}}{part}/*"):
        name = item.get("Name")
        if item.tag in _ITEMS and name and name not in seen:
            seen.add(name)
            yield name, item.get("Value", "")
