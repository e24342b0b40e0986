"""CloudEvents headers, deterministic ids, and what a record must have to be an event."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid5

import pytest
from city_backbone.errors import Undecodable
from city_backbone.events import (
    _NAMESPACE,
    Event,
    OutgoingEvent,
    _uuid,
    cloudevents_headers,
    event_from_record,
    event_id,
)
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

SEOUL = timezone(timedelta(hours=9))
OUTGOING = OutgoingEvent(
    topic="probe.thing-counted.v1",
    key="thing-1",
    id=event_id("a cause"),
    time=datetime(2021, 3, 4, 5, 6, 7, 89, SEOUL),
    data={},
)
HEADERS: list[tuple[str, bytes | None]] = [*cloudevents_headers(OUTGOING, "probe")]


def from_record(
    key: bytes | None = b"thing-1", headers: Sequence[tuple[str, bytes | None]] = HEADERS
) -> Event:
    return event_from_record("probe.thing-counted.v1", 2, 33, key, headers, {"count": 1})


def test_the_id_of_a_cause_never_changes() -> None:
    assert event_id("sensors", "PM10", 17) == UUID("c5c01aaf-393f-5b78-b597-cfe50249f18e")
    assert event_id("sensors", "PM10", 17) != event_id("sensors", "PM10", 18)


@given(st.text())
def test_an_id_is_the_standard_librarys_of_its_name(name: str) -> None:
    assert event_id(name) == uuid5(_NAMESPACE, name)


def test_headers_are_cloudevents_in_binary_mode() -> None:
    assert dict(cloudevents_headers(OUTGOING, "probe")) == {
        "ce_specversion": b"1.0",
        "ce_id": str(OUTGOING.id).encode(),
        "ce_source": b"/citymesh/probe",
        "ce_type": b"probe.thing-counted.v1",
        "ce_time": b"2021-03-03T20:06:07.000089Z",
        "ce_subject": b"thing-1",
        "content-type": b"application/avro",
    }


def test_headers_carry_the_trace_they_were_made_in() -> None:
    span = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1)))
    with trace.use_span(span):
        headers = dict(cloudevents_headers(OUTGOING, "probe"))
    assert headers["traceparent"] == f"00-{0xABC:032x}-{0xDEF:016x}-01".encode()


def test_an_event_is_what_was_sent() -> None:
    assert from_record() == Event(
        id=OUTGOING.id,
        topic="probe.thing-counted.v1",
        partition=2,
        offset=33,
        key="thing-1",
        type="probe.thing-counted.v1",
        source="/citymesh/probe",
        subject="thing-1",
        time=OUTGOING.time,
        data={"count": 1},
    )
    assert from_record().time.tzinfo is UTC


@given(headers=st.permutations([*HEADERS, ("ce_time", b"2020-01-01T00:00:00Z"), ("other", None)]))
@example(headers=[("ce_time", b"2020-01-01T00:00:00Z"), *HEADERS[1:]])
def test_headers_may_have_any_order_and_of_two_with_one_name_the_first_counts(
    headers: Sequence[tuple[str, bytes | None]],
) -> None:
    first = next(value for name, value in headers if name == "ce_time")
    assert first is not None
    time = datetime.fromisoformat(first.decode())
    assert from_record(headers=headers) == from_record()._replace(time=time)
    assert from_record(headers=[*HEADERS, *headers]) == from_record()


def changed(name: str, value: bytes | None) -> list[tuple[str, bytes | None]]:
    return [(header, value if header == name else old) for header, old in HEADERS]


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_source", "ce_time"])
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(Undecodable, match=f"header {name}: missing"):
        from_record(headers=[header for header in HEADERS if header[0] != name])
    with pytest.raises(Undecodable, match=f"header {name}: missing"):
        from_record(headers=changed(name, None))
    with pytest.raises(Undecodable, match=f"header {name}: expected UTF-8"):
        from_record(headers=changed(name, b"\xff"))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ce_id", b"17", "UUID"),
        ("ce_time", b"yesterday", "isoformat"),
        ("ce_time", b"2021-03-04T05:06:07", "time zone"),
        ("ce_time", b"0001-01-01T00:00:00+09:00", "out of range"),
        ("ce_subject", b"\xff", "ce_subject: expected UTF-8"),
    ],
)
def test_a_malformed_header_says_what_was_expected(name: str, value: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        from_record(headers=changed(name, value))


def test_a_record_without_a_key_is_no_event() -> None:
    with pytest.raises(Undecodable, match="key: missing"):
        from_record(key=None)
    with pytest.raises(Undecodable, match="key: expected UTF-8"):
        from_record(key=b"\xff")


@given(
    key=st.none() | st.binary(),
    headers=st.lists(
        st.tuples(
            st.sampled_from([name for name, _ in HEADERS]) | st.text(), st.none() | st.binary()
        )
    ),
)
def test_no_record_raises_anything_but_undecodable(
    key: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    taken: Any = [*HEADERS, *headers]
    with suppress(Undecodable):
        assert from_record(key, taken).time.tzinfo is UTC


@given(
    st.uuids().map(str)
    | st.uuids().map(lambda value: value.urn)
    | st.text("0123456789abcdefABCDEF-{}+_ urniд٣:", max_size=40)
    | st.text("0123456789abcdefA-+_ ٣", min_size=32, max_size=33)
)
def test_an_id_is_read_as_uuid_reads_it(text: str) -> None:
    try:
        expected = UUID(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"badly formed|invalid literal"):
            _uuid(text)
    else:
        found = _uuid(text)
        assert (found, hash(found), found.is_safe) == (expected, hash(expected), expected.is_safe)
