"""Which incident is a case's, and what is told of a person."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from city.health.v1 import person_pb2 as pb
from city_backbone.errors import FailedPrecondition, InvalidArgument, Unprocessable
from city_backbone.events import Event
from health.cases import messages
from health.cases.incident import Incident
from health.cases.store import Case
from health.cases.stream import newest, read
from health.measuring.measurement import Code, Measurement
from health.people.person import Profile
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
CASE_ID = UUID(int=7)
CASE = Case(CASE_ID, UUID(int=1), UUID(int=2), "kiosk-1", "조치원읍 행정복지센터", 6, AT)
PROFILE = Profile("김복순", date(1948, 3, 1), "010-1234-5678", "와파린", frozenset())
OURS = Incident(UUID(int=9), 1, True, "health", str(CASE_ID))


@pytest.mark.parametrize(
    ("source", "reference", "its"),
    [
        ("health", str(CASE_ID), True),
        ("health", str(UUID(int=8)), False),
        ("cameras", str(CASE_ID), False),
        ("B4113000000_FDS", str(CASE_ID), False),
        ("health", "", False),
    ],
)
def test_the_incident_of_a_case(source: str, reference: str, its: bool) -> None:
    incident = Incident(UUID(int=9), 1, True, source, reference)
    assert incident.is_of(CASE_ID) is its
    if not its:
        with pytest.raises(FailedPrecondition) as raised:
            incident.must_be_of(CASE_ID)
        assert raised.value.reason == "INCIDENT_OF_ANOTHER"


def told(**changes: Any) -> Event:
    data: dict[str, Any] = {
        "incident_id": str(OURS.incident_id),
        "revision": 1,
        "status": "OCCURRED",
        "source": "health",
        "source_reference": str(CASE_ID),
    }
    topic, key = "emergency.incident-changed.v1", data["incident_id"]
    return Event(uuid4(), topic, 0, 0, key, topic, "emergency", key, AT, data={**data, **changes})


@pytest.mark.parametrize(
    ("status", "live"),
    [
        ("OCCURRED", True),
        ("CHANGED", True),
        ("CLEARED", False),
        ("CANCELLED", False),
        ("COMPLETED", False),
        ("UNKNOWN", False),
    ],
)
def test_what_emergency_tells(status: str, live: bool) -> None:
    incident = read(told(status=status, revision=3))
    assert incident == Incident(OURS.incident_id, 3, live, "health", str(CASE_ID))
    if not live:
        with pytest.raises(FailedPrecondition) as raised:
            incident.must_be_live()
        assert raised.value.reason == "INCIDENT_NOT_LIVE"


@pytest.mark.parametrize(("field", "value"), [("incident_id", "7"), ("revision", 0)])
def test_what_cannot_be_used_names_its_field(field: str, value: object) -> None:
    with pytest.raises(Unprocessable, match=field):
        read(told(**{field: value}))


@given(st.permutations(range(1, 5)))
def test_of_a_batch_the_newest_revision_counts(revisions: list[int]) -> None:
    incidents = [read(told(revision=revision)) for revision in revisions]
    assert [one.revision for one in newest(incidents)] == [4]


@pytest.mark.parametrize(
    ("born", "today", "years"),
    [
        (date(1948, 3, 1), date(2026, 2, 28), 77),
        (date(1948, 3, 1), date(2026, 3, 1), 78),
        (date(1948, 2, 29), date(2026, 2, 28), 77),
        (date(1948, 2, 29), date(2026, 3, 1), 78),
        (date(2026, 3, 1), date(2026, 3, 1), 0),
    ],
)
def test_age_in_whole_years(born: date, today: date, years: int) -> None:
    assert messages.age_years(born, today) == years


@pytest.mark.parametrize("named", [True, False])
def test_who_it_is_is_told_with_consent_only(named: bool) -> None:
    taken = [
        Measurement(Code.HEART_RATE, 130 + n, None, None, AT + timedelta(minutes=n), "clip-1")
        for n in (1, 3, 2)
    ]
    message = messages.case_message(CASE, taken, PROFILE, date(2026, 11, 22), named=named)
    assert (message.kiosk_id, message.place) == (CASE.kiosk_id, CASE.place)
    assert (message.acute_score, message.age_years) == (6, 78)
    assert [one.value for one in message.measurements] == [133, 132, 131]
    told_of = [message.name, message.contact, message.medical_note]
    expected = [PROFILE.name, PROFILE.contact, PROFILE.medical_note] if named else [""] * 3
    assert told_of == expected


def test_what_is_no_id_or_account_is_not_written_down() -> None:
    request = pb.GetCaseRequest(case_id="김복순", incident_id=str(CASE_ID), requester="김 복순")
    assert messages.asked(request) == {"case_id": "", "incident_id": str(CASE_ID)}
    assert messages.asker(request) == ""
    with pytest.raises(InvalidArgument, match="requester"):
        messages.requester(request)
    assert messages.asker(pb.GetCaseRequest(requester=" 119 ")) == "119"
