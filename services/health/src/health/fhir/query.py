"""What a person asks for: the parameters of GET /fhir/Observation. Pure; raises Refused.

The person is told by the token in the Authorization header. A parameter that is not known is
refused: passed over, more would be shown than was asked for.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from urllib.parse import urlencode

from health.clock import SEOUL
from health.fhir import terms
from health.fhir.refused import Refused
from health.measuring.measurement import Code, Measurement

MAX_COUNT = 100
DEFAULT_COUNT = 50

_DAY = re.compile(r"\d{4}-\d\d-\d\d", flags=re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)", flags=re.ASCII
)
_COUNT = re.compile(r"[1-9]\d{0,2}", flags=re.ASCII)
_PERSONS = ("patient", "subject")
_FORMATS = ("json", "application/json", "application/fhir+json")
_KNOWN = ("code", "date", "_count", "_format", "page")


@dataclass(frozen=True, slots=True)
class Query:
    """Measurements of `codes` taken in [from_at, until_at); None does not narrow.

    `page` is from the link to the next page, empty for the first.
    """

    codes: frozenset[Code] | None
    from_at: datetime | None
    until_at: datetime | None
    count: int
    page: str
    asked: tuple[tuple[str, str], ...]

    def holds(self, measurement: Measurement) -> bool:
        return (
            (self.codes is None or measurement.code in self.codes)
            and (self.from_at is None or measurement.taken_at >= self.from_at)
            and (self.until_at is None or measurement.taken_at < self.until_at)
        )

    def url(self, page: str) -> str:
        """The same question for another page, relative to the server."""
        parameters = [*self.asked, *([("page", page)] if page else [])]
        return "/fhir/Observation" + (f"?{urlencode(parameters)}" if parameters else "")


def parse_query(parameters: Iterable[tuple[str, str]]) -> Query:
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        given.setdefault(name, []).append(value)
    for name in given:
        if name in _PERSONS:
            # In an address it would stand in the logs of all that pass it on.
            raise _refused(name, "expected the person's token in the Authorization header instead")
        if name not in _KNOWN:
            known = ", ".join(_KNOWN)
            raise Refused(400, "not-supported", f"expected parameters of: {known}")
    if _one(given, "_format") not in (None, *_FORMATS):
        raise _refused("_format", "expected json")
    from_at, until_at = _dates(given.get("date", []))
    asked = tuple(
        (name, value) for name in ("code", "date", "_count") for value in given.get(name, ())
    )
    return Query(
        _codes(_one(given, "code")),
        from_at,
        until_at,
        _count(_one(given, "_count")),
        _one(given, "page") or "",
        asked,
    )


def _one(given: Mapping[str, list[str]], name: str) -> str | None:
    values = given.get(name, [])
    if len(values) > 1:
        raise _refused(name, "expected it once")
    return values[0] if values else None


def _codes(text: str | None) -> frozenset[Code] | None:
    """LOINC, with its system before `|` or without; several with commas between: any of them."""
    if text is None:
        return None
    codes = set()
    for token in text.split(","):
        system, bar, code = token.rpartition("|")
        if code not in terms.CODES or (bar and system != terms.LOINC):
            raise _refused("code", f"expected LOINC codes of {', '.join(terms.CODES)}")
        codes.add(terms.CODES[code])
    return frozenset(codes)


def _dates(values: Iterable[str]) -> tuple[datetime | None, datetime | None]:
    """`ge` and `lt`, each once at most."""
    bounds: dict[str, datetime] = {}
    for value in values:
        prefix, text = value[:2], value[2:]
        if prefix not in ("ge", "lt") or prefix in bounds:
            raise _refused("date", "expected one date=ge… and one date=lt… at most")
        bounds[prefix] = _moment(text)
    from_at, until_at = bounds.get("ge"), bounds.get("lt")
    if from_at and until_at and from_at >= until_at:
        raise _refused("date", "expected lt after ge")
    return from_at, until_at


def _moment(text: str) -> datetime:
    """A day begins at midnight in Seoul."""
    try:
        if _DAY.fullmatch(text):
            found = datetime.combine(date.fromisoformat(text), time(), SEOUL)
            return found.astimezone(UTC)
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _refused(
        "date", "expected YYYY-MM-DD, or a moment with its time zone (its + written as %2B)"
    )


def _count(text: str | None) -> int:
    if text is None:
        return DEFAULT_COUNT
    if not _COUNT.fullmatch(text) or int(text) > MAX_COUNT:
        raise _refused("_count", f"expected 1 to {MAX_COUNT}")
    return int(text)


def _refused(parameter: str, expected: str) -> Refused:
    return Refused(400, "value", f"{parameter}: {expected}")
