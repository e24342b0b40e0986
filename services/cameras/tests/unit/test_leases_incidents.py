"""Incidents' events."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from cameras.leases.incident import Incident
from cameras.leases.stream import read
from city_backbone.errors import Unprocessable
from city_backbone.events import Event

INCIDENT = UUID("11111111-1111-4111-8111-111111111111")


def event(**changes: Any) -> Event:
    data = {"incident_id": str(INCIDENT), "revision": 3, "status": "CHANGED", "police_code": 0}
    return Event(
        uuid4(), "t", 0, 0, str(INCIDENT), "t", "/x", "", datetime.now(UTC), {**data, **changes}
    )


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
def test_only_what_occurred_or_changed_is_live(status: str, live: bool) -> None:
    assert read(event(status=status)) == Incident(INCIDENT, 3, live, 0)


@pytest.mark.parametrize(
    "changes", [{"incident_id": "x"}, {"revision": 0}, {"police_code": 5}, {"police_code": -1}]
)
def test_an_event_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(Unprocessable):
        read(event(**changes))
