"""From when an effect counts."""

from datetime import UTC, datetime

from loadtests.driver.freshness import EFFECTS
from loadtests.driver.operations.cameras import ARSON_SEEN

SEEN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
INTENDED = {one.topic: one.intended for one in EFFECTS}


def test_a_detection_is_due_when_it_was_seen_but_not_those_that_an_arson_sends_together() -> None:
    intended = INTENDED["cameras.object-detected.v1"]
    assert intended({"site_id": "park-0001", "detected_at": SEEN}) == SEEN
    assert intended({"site_id": "probe-0001", "detected_at": SEEN}) is None


def test_an_arsons_alarm_is_due_when_it_has_persisted_and_others_are_nobodys() -> None:
    intended = INTENDED["cameras.alarm-raised.v1"]
    assert intended({"site_id": "probe-0001", "occurred_at": SEEN}) == SEEN + ARSON_SEEN
    assert intended({"site_id": "park-0001", "occurred_at": SEEN}) is None
