"""A JSON body that may be anything, read within bounds. Raises Refused, which quotes nothing."""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from health.fhir.refused import Refused, malformed

MAX_DEPTH = 32
# A blood pressure with all that R4 allows around it has about a hundred.
MAX_VALUES = 1_000
# Of a whole document: what has more is no Bundle of those.
MAX_DOCUMENT_VALUES = 100_000

_MAX_DIGITS = 40


def read(body: bytes) -> dict[str, Any]:
    """The object in it. UTF-8 without a mark; each name once; numbers that a double can hold."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise malformed("expected UTF-8") from None
    try:
        found = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_constant,
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise malformed("expected JSON") from None
    if not isinstance(found, dict):
        raise malformed("expected a JSON object, a resource")
    _must_be_bounded(found)
    return found


def must_be_small(resource: object, expression: str) -> None:
    """Raises Refused: each value costs a check, and there is more to do than to check this."""
    if sum(1 for _ in _values(resource)) > MAX_VALUES:
        raise Refused(422, "too-costly", f"expected at most {MAX_VALUES} JSON values", expression)


def _must_be_bounded(document: object) -> None:
    for count, (value, depth) in enumerate(_values(document), 1):
        if count > MAX_DOCUMENT_VALUES:
            raise Refused(422, "too-costly", f"expected at most {MAX_DOCUMENT_VALUES} JSON values")
        if depth > MAX_DEPTH:
            raise _too_deep()
        for text in value if isinstance(value, dict) else (value,):
            if isinstance(text, str) and not _is_utf8(text):
                raise malformed("expected text without lone surrogates and U+0000")


def _values(document: object) -> Iterator[tuple[Any, int]]:
    """All values with their depths, without a call for each level."""
    waiting = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        yield value, depth
        if isinstance(value, dict):
            waiting.extend((one, depth + 1) for one in value.values())
        elif isinstance(value, list):
            waiting.extend((one, depth + 1) for one in value)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise malformed("expected each name once in an object")
    return found


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _no_number()
    return int(text)


def _decimal(text: str) -> float:
    if len(text) > _MAX_DIGITS or not math.isfinite(number := float(text)):
        raise _no_number()
    return number


def _constant(_: str) -> NoReturn:
    raise _no_number()


def _no_number() -> Refused:
    return malformed(f"expected numbers of at most {_MAX_DIGITS} characters that a double can hold")


def _too_deep() -> Refused:
    return malformed(f"expected at most {MAX_DEPTH} levels")
