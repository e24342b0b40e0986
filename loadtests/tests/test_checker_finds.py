"""What the checker finds, one thing at a time, and what it does not take for a finding."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loadtests.checker import facts, history
from loadtests.checker.__main__ import main, table, variables
from loadtests.checker.facts import Seen
from loadtests.checker.history import Call, HistoryError
from loadtests.checker.rows import Head, Stored, Tally, World
from loadtests.driver.result import Run

from .checker_run import BEGAN, BOOKINGS, PUBLISH, READINGS, TRIP, booking, check, found, reading

DETECTIONS = "cameras.object-detected.v1"
RAISED = "cameras.alarm-raised.v1"
ESCALATED = "cameras.alarm-escalated.v1"
INCIDENTS = "emergency.incident-changed.v1"
AT = facts.micros(BEGAN)


def seen(topic: str, offset: int, identity: str, data: dict[str, Any], key: str = "k") -> Seen:
    return facts.seen(topic, 0, offset, key, identity, b"", data)


def call(op: str, *ids: str, at: int = 0, status: Any = "ok", key: str = "k") -> Call:
    return Call(op, key, AT + at, AT + at, AT + at + 10, status, ids)


def detection(number: int, **changes: Any) -> dict[str, Any]:
    at = BEGAN + timedelta(seconds=number)
    return {
        "detection_id": f"d{number}",
        "camera_id": "camera",
        "kind": "FIRE",
        "track_id": f"t{number}",
        "confidence": 0.5,
        "detected_at": at,
        "received_at": at,
        **changes,
    }


def alarm(identity: str, *detections: str, at: datetime = BEGAN) -> dict[str, Any]:
    return {"alarm_id": identity, "detection_ids": list(detections), "occurred_at": at}


def incident(identity: str, revision: int, source: str, reference: str) -> dict[str, Any]:
    return {
        "incident_id": identity,
        "revision": revision,
        "source": source,
        "source_reference": reference,
    }


def test_a_detection_that_a_caller_sent_again_is_a_repetition(tmp_path: Path) -> None:
    later = detection(1, received_at=BEGAN + timedelta(hours=1))
    rows = [seen(DETECTIONS, 0, "d1", detection(1)), seen(DETECTIONS, 1, "d1", later)]
    result = check([call("cameras.PublishDetections", "d1")], rows, tmp_path / "a")
    assert found(result) == set()
    assert result.checked["repetitions of the same event"] == 1

    rows[1] = seen(DETECTIONS, 1, "d1", detection(1, confidence=0.9))
    result = check([call("cameras.PublishDetections", "d1")], rows, tmp_path / "b")
    assert found(result) == {("doubled", DETECTIONS, "d1")}


def test_two_alarms_of_one_detection_are_a_doubled_effect(tmp_path: Path) -> None:
    rows = [
        seen(DETECTIONS, 0, "d1", detection(1)),
        seen(RAISED, 0, "e1", alarm("a1", "d1")),
        seen(RAISED, 1, "e2", alarm("a2", "d1")),
    ]
    assert found(check([], rows, tmp_path / "a")) == {("doubled", RAISED, "detection d1")}


def test_an_alarm_of_no_detection_is_unseen_unless_it_began_before_the_run(tmp_path: Path) -> None:
    rows = [seen(RAISED, 0, "e1", alarm("a1", "d1"))]
    assert found(check([], rows, tmp_path / "a")) == {("unseen", RAISED, "e1")}
    before = BEGAN - timedelta(seconds=1)
    rows = [seen(RAISED, 0, "e1", alarm("a1", "d1", at=before))]
    assert found(check([], rows, tmp_path / "b")) == set()


def test_two_incidents_of_one_alarm_are_a_doubled_effect(tmp_path: Path) -> None:
    rows: list[Any] = [
        Stored("cameras.alarm", "a1"),
        seen(INCIDENTS, 0, "e1", incident("i1", 1, "cameras", "a1"), "i1"),
        seen(INCIDENTS, 1, "e2", incident("i2", 1, "cameras", "a1"), "i2"),
        Stored("emergency.incident", "i1", "cameras a1"),
        Stored("emergency.incident", "i2", "cameras a1"),
    ]
    assert found(check([], rows, tmp_path / "a")) == {
        ("doubled", INCIDENTS, "cameras a1"),
        ("doubled", "emergency.incident", "cameras a1"),
    }


def test_an_escalation_that_called_nobody_is_lost(tmp_path: Path) -> None:
    rows: list[Any] = [
        Stored("cameras.alarm", "a1"),
        seen(ESCALATED, 0, "e1", alarm("a1")),
        seen(ESCALATED, 1, "e1", alarm("a1")),
    ]
    result = check([], rows, tmp_path / "a")
    assert found(result) == {("lost", "emergency.incident_alarm", "a1")}
    assert result.counts["lost"] == 1
    called = [*rows, Stored("emergency.incident_alarm", "a1")]
    assert found(check([], called, tmp_path / "b")) == set()
    unread = check([], rows, tmp_path / "c", read=[ESCALATED, "cameras.alarm"])
    assert found(unread) == set()


def test_the_newest_revision_of_a_booking_is_lost_when_its_department_has_come_further(
    tmp_path: Path,
) -> None:
    events = [booking("b", 1), booking("b", 2)]
    rows: list[Any] = [seen(BOOKINGS, n, one.id, one.data, "b") for n, one in enumerate(events)]
    rows += [Stored("parking.booking", "b"), Head(BOOKINGS, "b", 3, True)]
    assert found(check([], rows, tmp_path / "a")) == {("lost", BOOKINGS, "b#3")}


def test_a_booking_that_its_department_does_not_know_is_unseen(tmp_path: Path) -> None:
    one = booking("b", 1)
    rows = [seen(BOOKINGS, 0, one.id, one.data, "b")]
    assert found(check([], rows, tmp_path / "a")) == {("unseen", BOOKINGS, one.id)}


def test_what_a_department_counts_itself_is_lost_or_doubled(tmp_path: Path) -> None:
    rows = [Tally("hours", "one", 5, 3), Tally("hours", "two", 5, 6), Tally("hours", "three", 5, 5)]
    result = check([], rows, tmp_path / "a", World(alone=True))
    assert found(result) == {("lost", "hours", "one"), ("doubled", "hours", "two")}
    assert result.counts["lost"] == 2
    # Of what others send some is always under way.
    assert found(check([], rows, tmp_path / "b")) == {("doubled", "hours", "two")}


def test_a_refused_call_whose_effect_is_there_is_unseen(tmp_path: Path) -> None:
    one = reading("k", 0)
    refused = replace(call(PUBLISH, status="failed"), attempted=(one.id,))
    result = check([refused], [seen(READINGS, 0, one.id, one.data)], tmp_path / "a")
    assert found(result) == {("unseen", PUBLISH, one.id)}


def test_what_was_acknowledged_is_looked_for_however_the_call_ended(tmp_path: Path) -> None:
    result = check([call(TRIP, "e1", status="unknown")], [], tmp_path / "a")
    assert found(result) == {("lost", TRIP, "e1")}


def test_attempted_ids_of_an_unknown_call_may_be_there_or_not(tmp_path: Path) -> None:
    one = reading("k", 0)
    unknown = replace(call(PUBLISH, status="unknown"), attempted=(one.id, "not there"))
    result = check([unknown], [seen(READINGS, 0, one.id, one.data)], tmp_path / "a")
    assert found(result) == set()
    assert result.checked["unknown: happened"] == 1
    assert result.checked["unknown: did not happen"] == 1


def test_others_events_are_unseen_only_for_one_who_is_alone(tmp_path: Path) -> None:
    one = reading("others", 0)
    rows = [seen(READINGS, 0, one.id, one.data, "others")]
    assert found(check([], rows, tmp_path / "a")) == set()
    alone = World(began=AT, alone=True)
    assert found(check([], rows, tmp_path / "b", alone)) == {("unseen", READINGS, one.id)}
    # Two who play the same city have the same keys.
    own = reading("others", 1)
    both = [*rows, seen(READINGS, 1, own.id, own.data, "others")]
    calls = [call(PUBLISH, own.id, at=1)]
    assert found(check(calls, both, tmp_path / "c")) == set()
    assert found(check(calls, both, tmp_path / "d", alone)) == {("unseen", READINGS, one.id)}


def test_order_is_asked_for_only_beyond_what_clocks_may_be_apart(tmp_path: Path) -> None:
    first, second = reading("k", 0), reading("k", 20)
    rows = [seen(READINGS, 0, second.id, second.data), seen(READINGS, 1, first.id, first.data)]
    calls = [call(PUBLISH, first.id), call(PUBLISH, second.id, at=20)]
    assert found(check(calls, rows, tmp_path / "a")) == {("reordered", READINGS, first.id)}
    apart = World(began=AT, margin=10)
    assert found(check(calls, rows, tmp_path / "b", apart)) == set()


def test_a_topic_that_the_driver_writes_itself_is_checked_by_ids_alone(tmp_path: Path) -> None:
    rows: list[Any] = [
        seen(RAISED, 0, "e1", alarm("a1", "d1")),
        seen(RAISED, 1, "e2", alarm("a1", "d1")),
        Tally("hours", "one", 5, 3, topic=RAISED),
    ]
    calls = [call(f"kafka:{RAISED}", "e1"), call(f"kafka:{RAISED}", "e3", at=1)]
    assert found(check(calls, rows, tmp_path / "a")) == {("lost", f"kafka:{RAISED}", "e3")}


def test_what_cannot_be_checked_makes_it_incomplete(tmp_path: Path) -> None:
    calls = [call("somebody.Else", "x"), call(PUBLISH, "y")]
    result = check(calls, [], tmp_path / "a", read=[])
    assert found(result) == set()
    assert not result.complete
    assert "somebody.Else: 1 ids not checked" in result.detail
    assert f"{PUBLISH}: 1 ids not checked" in result.detail


def test_events_without_an_id_are_counted(tmp_path: Path) -> None:
    rows = [facts.seen(READINGS, 0, n, "k", "", b"%d" % n, None) for n in range(2)]
    result = check([], rows, tmp_path / "a", World(alone=True))
    assert found(result) == set()
    assert result.checked["events without an id"] == 2


def test_the_first_hundred_are_named_and_all_are_counted(tmp_path: Path) -> None:
    ids = [f"{n:04}" for n in range(250)]
    result = check([call(PUBLISH, *reversed(ids))], [], tmp_path / "a")
    assert result.counts["lost"] == 250
    assert [one.id for one in result.findings] == ids[:100]


def written(folder: Path, *lines: dict[str, Any]) -> Path:
    path = folder / "shards" / "0" / "history.jsonl.gz"
    path.parent.mkdir(parents=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


LINE: dict[str, Any] = {
    "op": PUBLISH,
    "n": 0,
    "key": "k",
    "intended": 1,
    "sent": 2,
    "done": 3,
    "status": "ok",
    "detail": "",
    "acknowledged": ["a"],
}


def test_a_history_is_read(tmp_path: Path) -> None:
    written(tmp_path, LINE)
    assert list(history.calls(tmp_path)) == [Call(PUBLISH, "k", 1, 2, 3, "ok", ("a",))]
    assert history.shards(tmp_path) == 1


def test_a_history_cut_off_gives_what_it_has_and_says_where_it_ends(tmp_path: Path) -> None:
    path = written(tmp_path, *[LINE] * 2000)
    path.write_bytes(path.read_bytes()[:-20])
    read: list[Call] = []
    with pytest.raises(HistoryError, match=r"history\.jsonl\.gz, line \d{3,}"):
        read.extend(history.calls(tmp_path))
    assert len(read) > 100


def test_a_line_with_a_wrong_status_is_named(tmp_path: Path) -> None:
    written(tmp_path, LINE, {**LINE, "status": "perhaps"})
    with pytest.raises(HistoryError, match=r"line 2: .*perhaps"):
        list(history.calls(tmp_path))


def test_variables_come_together_or_by_name(tmp_path: Path) -> None:
    file = tmp_path / "environments.json"
    file.write_text('{"operator": {"OPERATOR_A": "1"}, "SENSORS_B": "2"}')
    assert variables(file) == {"OPERATOR_A": "1", "SENSORS_B": "2"}


def test_without_any_environment_nothing_is_said_to_be_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    Run(scenario="s", seed=1, began=now, ended=now, shards=2).write(tmp_path)
    written(tmp_path, LINE)
    file = tmp_path / "environments.json"
    file.write_text("{}")
    assert main([str(tmp_path), "--environments", str(file), "--wait", "0"]) == 1
    said = capsys.readouterr().out
    assert "history of 1 of 2 shards" in said
    assert "database of sensors: not given" in said


def test_the_table_names_what_was_found(tmp_path: Path) -> None:
    result = check([call(PUBLISH, "x")], [], tmp_path / "a")
    assert f"lost: {PUBLISH} x: acknowledged, and not at {READINGS}" in table(result)


def test_of_an_incident_from_before_the_run_only_what_it_became_in_it_is_asked_for(
    tmp_path: Path,
) -> None:
    rows: list[Any] = [
        seen(INCIDENTS, n, f"e{n}", incident("i", n, "report", "r"), "i") for n in (3, 5)
    ]
    before = check([], [*rows, Head(INCIDENTS, "i", 6, new=False)], tmp_path / "a")
    assert found(before) == {("lost", INCIDENTS, "i#4"), ("lost", INCIDENTS, "i#6")}
    new = check([], [*rows, Head(INCIDENTS, "i", 6, new=True)], tmp_path / "b")
    assert found(new) == {("lost", INCIDENTS, f"i#{n}") for n in (1, 2, 4, 6)}
