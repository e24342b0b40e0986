"""Searches as they are asked."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from health.fhir.query import DEFAULT_COUNT, Query, parse_query
from health.fhir.refused import Refused
from health.measuring.measurement import Code, Measurement

AT = datetime(2026, 3, 1, tzinfo=UTC)


def query(text: str) -> Query:
    return parse_query(parse_qsl(text, keep_blank_values=True))


def test_all() -> None:
    assert query("") == Query(None, None, None, DEFAULT_COUNT, "", ())


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("8867-4", {Code.HEART_RATE}),
        ("http://loinc.org|8867-4", {Code.HEART_RATE}),
        ("85354-9,http://loinc.org|2339-0", {Code.BLOOD_PRESSURE, Code.GLUCOSE}),
    ],
)
def test_code(text: str, codes: set[Code]) -> None:
    assert query(f"code={text}").codes == frozenset(codes)


@pytest.mark.parametrize(
    ("text", "from_at", "until_at"),
    [
        ("date=ge2026-03-01", datetime(2026, 2, 28, 15, tzinfo=UTC), None),
        ("date=lt2026-03-01", None, datetime(2026, 2, 28, 15, tzinfo=UTC)),
        ("date=ge2026-03-01T00:00Z&date=lt2026-03-02T00:00:00%2B00:00", AT, AT + timedelta(1)),
    ],
)
def test_date(text: str, from_at: datetime | None, until_at: datetime | None) -> None:
    found = query(text)
    assert (found.from_at, found.until_at) == (from_at, until_at)


@pytest.mark.parametrize(
    "text",
    [
        *("patient=a", "subject=Patient/1", "_id=1", "_sort=date", "code:text=a", "김복순=1"),
        *("code=", "code=8480-6", "code=urn:a|8867-4", "code=|8867-4", "code=8867-4&code=8867-4"),
        *("date=2026-03-01", "date=gt2026-03-01", "date=ge", "date=ge2026-02-30", "date=ge2026"),
        *("date=ge2026-03-01T00:00:00", "date=ge2026-03-01T00:00:00+09:00", "date=geyesterday"),
        *("date=ge2026-03-01&date=ge2026-03-02", "date=ge2026-03-02&date=lt2026-03-01"),
        *("date=ge0001-01-01", "date=lt9999-12-31T23:59:59-14:00", "date=ge２０２６-03-01"),
        *("_count=0", "_count=101", "_count=-1", "_count=1e1", "_count=", "_count=1&_count=2"),
        *("_format=xml", "page=a&page=b"),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        query(text)
    assert caught.value.status == 400
    assert "김복순" not in caught.value.diagnostics
    assert caught.value.expression == ""


def test_the_next_page_asks_the_same() -> None:
    found = query("code=8867-4&date=lt2026-03-01T00:00:00%2B09:00&_count=2&page=a&_format=json")
    parts = urlsplit(found.url("b="))
    assert parts.path == "/fhir/Observation"
    again = query(parts.query)
    assert again.page == "b="
    assert (again.codes, again.until_at, again.count) == (found.codes, found.until_at, 2)
    assert query("").url("") == "/fhir/Observation"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("code=8867-4", True),
        ("code=8310-5", False),
        ("date=ge2026-03-01T00:00Z", True),
        ("date=ge2026-03-01T00:00:00.000001Z", False),
        ("date=lt2026-03-01T00:00Z", False),
        ("date=lt2026-03-01T00:00:00.000001Z", True),
    ],
)
def test_holds(text: str, holds: bool) -> None:
    assert query(text).holds(Measurement(Code.HEART_RATE, 70, None, None, AT, "")) == holds
