"""Taking heartbeats in."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from city_backbone.database import Connection
from opentelemetry.metrics import Meter

from cameras.estate import store_presence as store
from cameras.estate.presence import Presence, Rule
from cameras.estate.site import is_id

HEARTBEATS_METRIC = "city.cameras.heartbeats"  # heartbeats sent to us, by outcome and field
MAX_AHEAD = timedelta(seconds=5)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


class Outcome(StrEnum):
    """REPEATED: not newer than what was heard, so nothing changed."""

    ACCEPTED = "ACCEPTED"
    REPEATED = "REPEATED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Result:
    """Of one heartbeat, at its place among those given; field and message when refused."""

    outcome: Outcome
    field: str = ""
    message: str = ""


_ACCEPTED = Result(Outcome.ACCEPTED)
_REPEATED = Result(Outcome.REPEATED)


class Heartbeats:
    """Runs in the caller's transaction; count its results after the commit."""

    def __init__(self, rule: Rule, meter: Meter, clock: Callable[[], datetime]) -> None:
        self._rule = rule
        self._clock = clock
        self._counter = meter.create_counter(HEARTBEATS_METRIC)

    async def take(
        self, connection: Connection, heartbeats: Sequence[tuple[str, datetime | None]]
    ) -> Sequence[Result]:
        """camera_id and sent_at of each; one result for each, in order. Two statements in all."""
        now = self._clock()
        asked = {camera_id for camera_id, _ in heartbeats if is_id(camera_id)}
        known = await store.lock(connection, asked)
        changed: dict[str, Presence] = {}
        results: list[Result] = []
        for camera_id, sent_at in heartbeats:
            found = known.get(camera_id)
            if found is None or found.retired:
                state = "registered" if found is None else "in service, this one is retired"
                results.append(_refused("camera_id", f"{camera_id[:80]!r}: expected one {state}"))
            elif sent_at is None or sent_at < _EARLIEST:
                results.append(_refused("sent_at", "expected a time from 2000 on"))
            elif sent_at > now + MAX_AHEAD:
                results.append(
                    _refused(
                        "sent_at",
                        f"{sent_at.isoformat()}: expected at most {MAX_AHEAD.seconds} s ahead of"
                        f" {now.isoformat()}",
                    )
                )
            else:
                before = changed.get(camera_id, found.presence)
                after = before.heard(sent_at, self._rule)
                results.append(_REPEATED if after is before else _ACCEPTED)
                if after is not before:
                    changed[camera_id] = after
        await store.save(connection, changed)
        return results

    def count(self, results: Sequence[Result]) -> None:
        """Into the metric."""
        for (outcome, field), total in Counter((one.outcome, one.field) for one in results).items():
            self._counter.add(total, {"outcome": outcome.lower(), "field": field})


def _refused(field: str, message: str) -> Result:
    return Result(Outcome.REFUSED, field, message)
