"""From air alerts to incidents."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from emergency.domain.air import AirAlert, apply
from emergency.domain.incident import Grade, Incident, Position, Status
from emergency.errors import AlertUnusable, TransitionRefused
from hypothesis import given
from hypothesis import strategies as st

ID = UUID(int=7)
HOUR = datetime(2019, 3, 5, 3, 0, tzinfo=UTC)


def event(sequence: int = 1, level: str = "ADVISORY", **changes: Any) -> dict[str, Any]:
    return {
        "alert_id": "b7e0",
        "sequence": sequence,
        "dong": "보람동",
        "pollutant": "PM25",
        "level": level,
        "changed_at": HOUR + timedelta(hours=sequence),
        "official": False,
        "rule_version": "air-alert-2018-07",
        "causes": [
            {"station_id": "s1", "hour_end": HOUR, "mean": 82.0},
            {"station_id": "s1", "hour_end": HOUR + timedelta(hours=1), "mean": 91.5},
        ],
        "latitude": 36.48,
        "longitude": 127.29,
        **changes,
    }


def alert(sequence: int = 1, level: str = "ADVISORY", **changes: Any) -> AirAlert:
    return AirAlert.read(event(sequence, level, **changes))


def fold(*alerts: AirAlert) -> list[Incident]:
    revisions: list[Incident] = []
    for one in alerts:
        revisions += apply(ID, revisions[-1] if revisions else None, one)
    return revisions


@pytest.mark.parametrize(
    ("pollutant", "level", "title", "kind", "grade"),
    [
        ("PM10", "ADVISORY", "미세먼지(PM10) 주의보", "air.pm10", Grade.NORMAL),
        ("PM25", "WARNING", "초미세먼지(PM2.5) 경보", "air.pm25", Grade.URGENT),
        ("O3", "ADVISORY", "오존(O3) 주의보", "air.o3", Grade.NORMAL),
    ],
)
def test_an_alert_opens_an_incident(
    pollutant: str, level: str, title: str, kind: str, grade: Grade
) -> None:
    (opened,) = fold(alert(level=level, pollutant=pollutant))
    assert (opened.status, opened.revision) == (Status.OCCURRED, 1)
    assert (opened.facts.title, opened.kind, opened.facts.grade) == (title, kind, grade)
    assert opened.occurred_at == opened.changed_at == HOUR + timedelta(hours=1)
    assert opened.facts.position == Position(36.48, 127.29)
    assert (opened.source.name, opened.source.reference) == ("sensors", "b7e0")


def test_the_description_tells_values_hours_and_that_it_is_not_official() -> None:
    (opened,) = fold(alert())
    assert opened.facts.description == (
        "보람동 초미세먼지(PM2.5) 주의보, 자체 기준(비공식) air-alert-2018-07."
        " 1시간 평균(KST): 2019-03-05 12:00 82 ㎍/㎥ (s1), 2019-03-05 13:00 91.5 ㎍/㎥ (s1)"
    )
    assert opened.facts.items == {
        "pollutant": "PM25",
        "level": "ADVISORY",
        "value": "91.5",
        "ruleVersion": "air-alert-2018-07",
        "official": "false",
    }


def test_escalation_changes_and_lifting_clears() -> None:
    revisions = fold(alert(1), alert(2, "WARNING"), alert(3, "ADVISORY"), alert(4, "LIFTED"))
    assert [(r.status, r.facts.grade, r.facts.title) for r in revisions] == [
        (Status.OCCURRED, Grade.NORMAL, "초미세먼지(PM2.5) 주의보"),
        (Status.CHANGED, Grade.URGENT, "초미세먼지(PM2.5) 경보"),
        (Status.CHANGED, Grade.NORMAL, "초미세먼지(PM2.5) 주의보"),
        (Status.CLEARED, Grade.NORMAL, "초미세먼지(PM2.5) 주의보"),
    ]
    assert revisions[-1].ended_at == HOUR + timedelta(hours=4)


def test_a_missing_first_still_opens_and_the_late_first_is_ignored() -> None:
    revisions = fold(alert(2, "WARNING"), alert(1), alert(3, "LIFTED"))
    assert [(r.status, r.source.sequence) for r in revisions] == [
        (Status.OCCURRED, 2),
        (Status.CLEARED, 3),
    ]


def test_an_alert_first_heard_of_at_its_lifting_is_opened_and_cleared() -> None:
    revisions = fold(alert(3, "LIFTED"))
    assert [(r.status, r.revision) for r in revisions] == [
        (Status.OCCURRED, 1),
        (Status.CLEARED, 2),
    ]
    assert revisions[0].facts.title == "초미세먼지(PM2.5) 대기오염경보"


def test_an_incident_that_somebody_closed_stays_closed() -> None:
    (opened,) = fold(alert())
    cancelled = opened.advance(Status.CANCELLED, HOUR, "operator")
    with pytest.raises(TransitionRefused):
        apply(ID, cancelled, alert(2, "WARNING"))


@given(st.permutations(range(1, 6)), st.data())
def test_any_order_with_repeats_never_goes_back(order: list[int], data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.sampled_from(order), max_size=5))
    revisions = fold(
        *(alert(number, "WARNING" if number % 2 else "ADVISORY") for number in order + repeats)
    )
    sequences = [revision.source.sequence for revision in revisions]
    assert all(one < other for one, other in pairwise(sequences))
    assert sequences[-1] == 5
    assert [revision.revision for revision in revisions] == list(range(1, len(revisions) + 1))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"level": "UNKNOWN"}, "level"),
        ({"level": "NONE"}, "level"),
        ({"pollutant": "UNKNOWN"}, "pollutant"),
        ({"sequence": 0}, "sequence"),
        ({"alert_id": ""}, "alert_id"),
        ({"latitude": float("nan")}, "latitude"),
        ({"longitude": 181.0}, "longitude"),
    ],
)
def test_an_unusable_alert_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(AlertUnusable, match=field):
        AirAlert.read(event() | changes)


def test_an_alert_without_causes_has_no_value() -> None:
    (opened,) = fold(alert(causes=[]))
    assert opened.facts.items["value"] == ""
    assert opened.facts.description.endswith("air-alert-2018-07.")
