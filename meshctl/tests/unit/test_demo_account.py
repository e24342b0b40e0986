"""The demo's account finds a planted loss, double and change at each stage."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from meshctl.demo import account, expected
from meshctl.demo.evidence import Evidence, RoomLine
from meshctl.demo.expected import Change, Hours
from meshctl.errors import MeshctlError

START = datetime(2021, 3, 28, 15, tzinfo=UTC)
PM10 = [40.0, 160.0, 170.0, 310.0, 320.0, 140.0, 90.0, 30.0]
HEADER = "일시,초미세먼지,미세먼지,오존,이산화탄소,일산화탄소,아황산가스"


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


HOURS: Hours = {hour(number): {"PM10": value} for number, value in enumerate(PM10)}
CHANGES = [
    Change(hour(2), "PM10", "ADVISORY"),
    Change(hour(4), "PM10", "WARNING"),
    Change(hour(5), "PM10", "ADVISORY"),
    Change(hour(6), "PM10", "LIFTED"),
]


def good() -> Evidence:
    readings = {
        f"r{at}": {"measured_at": at, "measurements": [{"pollutant": "PM10", "value": v["PM10"]}]}
        for at, v in HOURS.items()
    }
    means = {
        f"m{at}": {"hour_end": at, "means": [{"pollutant": "PM10", "mean": v["PM10"]}]}
        for at, v in HOURS.items()
    }
    levels = ["NONE", "ADVISORY", "WARNING", "ADVISORY"]
    alerts = {
        f"a{change.at}": {
            "changed_at": change.at,
            "pollutant": "PM10",
            "level": change.level,
            "previous_level": before,
        }
        for change, before in zip(CHANGES, levels, strict=True)
    }
    statuses = ["OCCURRED", "CHANGED", "CHANGED", "CLEARED"]
    stored = [
        ("i", number, status, change.at)
        for number, (status, change) in enumerate(zip(statuses, CHANGES, strict=True), start=1)
    ]
    published = {f"e{row[1]}": {"incident_id": row[0], "revision": row[1]} for row in stored}
    codes = {"OCCURRED": "10", "CHANGED": "40", "CLEARED": "50"}
    room = [RoomLine("n", codes[status], at, "PM10", False) for _, _, status, at in stored]
    events = {
        "sensors.reading-taken.v1": readings,
        "sensors.hourly-mean-computed.v1": means,
        "sensors.air-alert-changed.v1": alerts,
        "emergency.incident-changed.v1": published,
    }
    return Evidence(events, 0, stored, 0, room)


def totals(evidence: Evidence) -> dict[str, tuple[int, int]]:
    found = account.stages(HOURS, expected.alerts(HOURS), evidence)
    return {stage.name: (stage.lost, stage.duplicates) for stage in found}


def test_the_reference_rule_gives_the_alerts_worked_out_by_hand() -> None:
    assert list(expected.alerts(HOURS)) == CHANGES


def test_a_missing_hour_breaks_the_reference_run() -> None:
    hours = {at: values for at, values in HOURS.items() if at != hour(1)}
    assert expected.alerts(hours)[0] == Change(hour(3), "PM10", "ADVISORY")


def test_a_right_run_has_nothing_lost_or_doubled() -> None:
    assert set(totals(good()).values()) == {(0, 0)}
    assert account.issued(good())["PM10"] == {"advisory": 1, "warning": 1}


TOPIC_STAGES = {
    "readings": "sensors.reading-taken.v1",
    "hourly means": "sensors.hourly-mean-computed.v1",
    "alert changes": "sensors.air-alert-changed.v1",
    "incident events": "emergency.incident-changed.v1",
}


@pytest.mark.parametrize(("stage", "topic"), TOPIC_STAGES.items())
def test_an_event_missing_from_a_topic_is_lost(stage: str, topic: str) -> None:
    evidence = good()
    events: Any = evidence.events[topic]
    del events[next(iter(events))]
    assert totals(evidence)[stage] == (1, 0)


@pytest.mark.parametrize("stage", ["readings", "hourly means", "alert changes"])
def test_a_second_event_of_one_cause_is_a_duplicate(stage: str) -> None:
    evidence = good()
    events: Any = evidence.events[TOPIC_STAGES[stage]]
    events["another-id"] = next(iter(events.values()))
    assert totals(evidence)[stage] == (0, 1)


def test_a_changed_value_is_a_lost_one() -> None:
    evidence = good()
    first: Any = next(iter(evidence.events["sensors.reading-taken.v1"].values()))
    first["measurements"][0]["value"] += 1
    assert totals(evidence)["readings"] == (1, 0)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda room: room[:-1], (1, 0)),
        (lambda room: [*room, room[-1]], (0, 1)),
        (lambda room: [*room, dataclasses.replace(room[-1], repeat=True)], (0, 0)),
    ],
)
def test_the_room_is_compared_message_by_message(
    change: Callable[[list[RoomLine]], list[RoomLine]], wanted: tuple[int, int]
) -> None:
    evidence = good()
    assert totals(dataclasses.replace(evidence, room=change(evidence.room)))["room"] == wanted


def test_a_message_before_an_earlier_one_is_out_of_order() -> None:
    evidence = good()
    room = evidence.room
    assert account.out_of_order(evidence) == 0
    swapped = dataclasses.replace(evidence, room=[room[0], room[2], room[1], room[3]])
    assert account.out_of_order(swapped) == 1
    assert account.out_of_order(dataclasses.replace(evidence, room=room[1:])) == 1


def test_an_incident_change_too_many_in_the_database_is_found() -> None:
    evidence = good()
    rows = [*evidence.incident_changes, ("i", 5, "CLEARED", hour(7))]
    found = totals(dataclasses.replace(evidence, incident_changes=rows))
    assert found["incident changes"] == (0, 1)
    assert found["incident events"] == (1, 0)


def test_the_file_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "air.csv"
    file.write_text(
        f"{HEADER}\n2021-01-01 23:00,10,20,0.1,0.2,0.3,0.4\n2021-01-01 24:00,-,21,,0.2,0.3,0.4\n"
        "2021-01-01 24:00,-,21,,0.2,0.3,0.4\n2021-01-02 01:00,-,-,-,-,-,-\n"
        "2021-01-02 02:00,1,2,n/a,0.2,0.3,0.4\n",
        encoding="utf-8",
    )
    hours = expected.read(file)
    assert list(hours) == [
        datetime(2021, 1, 1, 14, tzinfo=UTC),
        datetime(2021, 1, 1, 15, tzinfo=UTC),
    ]
    assert hours[datetime(2021, 1, 1, 15, tzinfo=UTC)] == {
        "PM10": 21.0,
        "NO2": 0.2,
        "CO": 0.3,
        "SO2": 0.4,
    }


def test_another_kind_of_file_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(MeshctlError, match=r"other\.csv"):
        expected.read(file)
