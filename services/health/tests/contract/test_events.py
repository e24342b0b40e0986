"""Schemas of the department's events, and of what it reads."""

from pathlib import Path
from typing import Any

import pytest
from city_backbone.contracts import EventContract
from city_backbone.registration import load
from health.assessment.acute import Severity
from health.people.follow_up import Kind

ROOT = Path(__file__).parents[2]
REGISTRATION = load(ROOT / "service.yaml")


class TestEvents(EventContract):
    root = ROOT

    @pytest.mark.parametrize(
        ("schema", "field", "names"),
        [
            ("acute_reading_detected.v1.avsc", "severity", {member.name for member in Severity}),
            ("follow_up_due.v1.avsc", "kind", {member.name for member in Kind}),
        ],
    )
    def test_the_schemas_know_every_word(self, schema: str, field: str, names: set[str]) -> None:
        fields: list[dict[str, Any]] = self._schema(schema)["fields"]
        (found,) = (one["type"] for one in fields if one["name"] == field)
        assert set(found["symbols"]) == {"UNKNOWN", *names}


def test_what_is_personal_is_compacted() -> None:
    """On another topic a tombstone deletes nothing."""
    personal = [one for one in REGISTRATION.produces if one.visibility == "personal"]
    assert personal
    assert all(one.compacted for one in personal)
