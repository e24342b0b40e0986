"""Topics and quotas that registrations declare."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from city_backbone.registration import Registration
from meshctl.apply import quotas, topics
from meshctl.apply.quotas import Quotas
from meshctl.apply.topics import TopicSpec
from meshctl.catalogue import Catalogue
from meshctl.state import State

from meshctl import applying

SENSORS = Registration.model_validate(
    {
        "service": "sensors",
        "owner": "o",
        "contact": "c",
        "quotas": {"producer_byte_rate": 1000, "request_percentage": 50.0},
        "produces": (
            {
                "topic": "sensors.reading-taken.v1",
                "schema": "x.avsc",
                "key": "id",
                "partitions": 6,
                "retention": "12h",
                "class": "public",
            },
        ),
    }
)
EMERGENCY = Registration.model_validate(
    {
        "service": "emergency",
        "owner": "o",
        "contact": "c",
        "http_port": 5000,
        "consumes": ({"topic": "sensors.reading-taken.v1"}, {"topic": "health.x.v1"}),
    }
)


def test_topics_and_dead_letters_of_the_same_width() -> None:
    dead = "sensors.reading-taken.v1.emergency.dlt"
    assert topics.declared([EMERGENCY, SENSORS]) == {
        "sensors.reading-taken.v1": TopicSpec("sensors.reading-taken.v1", 6, timedelta(hours=12)),
        dead: TopicSpec(dead, 6, timedelta(days=14)),
    }


def test_retention_goes_by_append_time() -> None:
    configuration = topics.declared([SENSORS])["sensors.reading-taken.v1"].configuration
    assert configuration["retention.ms"] == str(12 * 3600 * 1000)
    assert configuration["message.timestamp.type"] == "LogAppendTime"


def test_a_compacted_topic_forgets_what_a_tombstone_deletes() -> None:
    compacted = TopicSpec("health.x.v1", 1, timedelta(days=1), compacted=True)
    assert compacted.configuration["cleanup.policy"] == "compact,delete"
    plain = topics.declared([SENSORS])["sensors.reading-taken.v1"]
    assert plain.configuration["cleanup.policy"] == "delete"


def test_a_service_has_the_folders_it_names_for_itself(tmp_path: Path) -> None:
    keeper = SENSORS.model_copy(update={"folders": ("PEOPLE__KEYRING",)})
    applying.files(Catalogue((keeper,), ()), State(tmp_path))
    made = tmp_path / "folders" / "sensors" / "people__keyring"
    assert made.stat().st_mode & 0o777 == 0o700


def test_only_declared_quotas_are_asked_for() -> None:
    assert quotas.declared([SENSORS, EMERGENCY]) == {
        "sensors": {"producer_byte_rate": 1000.0, "request_percentage": 50.0}
    }


def test_quotas_are_set_changed_and_removed() -> None:
    existing: Quotas = {
        "sensors": {"producer_byte_rate": 10.0, "consumer_byte_rate": 5.0},
        "old": {"a": 1},
    }
    wanted: Quotas = {"sensors": {"producer_byte_rate": 20.0}, "new": {"request_percentage": 1.0}}
    assert quotas.changes(existing, wanted) == {
        "new": [("request_percentage", 1.0, False)],
        "old": [("a", 0.0, True)],
        "sensors": [("producer_byte_rate", 20.0, False), ("consumer_byte_rate", 0.0, True)],
    }
    assert quotas.changes(wanted, wanted) == {}
