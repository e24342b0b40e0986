"""Taking readings in."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from city_backbone.database import Connection
from opentelemetry.metrics import Meter

from parking.occupancy import store, store_sensors
from parking.occupancy.bay_states import BayStates
from parking.occupancy.sensor import Reading, Seen, heard
from parking.occupancy.store_sensors import Place

READINGS_METRIC = "city.parking.readings"  # readings sent to us, by outcome and field
MAX_AHEAD = timedelta(seconds=5)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


class Outcome(StrEnum):
    """REPEATED: sent before, or older than what is known, so nothing changed."""

    ACCEPTED = "ACCEPTED"
    REPEATED = "REPEATED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Sent:
    """A reading as it was sent; None where there is no usable time."""

    sensor_id: str
    occupied: bool
    observed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Result:
    """Of one reading, at its place among those given; field and message when refused."""

    outcome: Outcome
    field: str = ""
    message: str = ""


_ACCEPTED = Result(Outcome.ACCEPTED)
_REPEATED = Result(Outcome.REPEATED)


class Readings:
    """Runs in the caller's transaction; count its results after the commit."""

    def __init__(self, bay_states: BayStates, meter: Meter, clock: Callable[[], datetime]) -> None:
        self._bay_states = bay_states
        self._clock = clock
        self._counter = meter.create_counter(READINGS_METRIC)

    async def take(self, connection: Connection, sent: Sequence[Sent]) -> Sequence[Result]:
        """One result for each, in order; a fixed number of statements in all."""
        received_at = self._clock()
        asked = {one.sensor_id for one in sent if one.sensor_id.isprintable()}
        places = await store_sensors.hold(connection, asked)
        checked = [_checked(one, places, received_at) for one in sent]
        bay_ids = {places[one.sensor_id].bay_id for one in checked if isinstance(one, Reading)}
        await store.lock_bays(connection, bay_ids)
        now = self._clock()  # who waited for a bay comes after who had it
        states = await store.states(connection, bay_ids)
        seen = {bay_id: state.seen for bay_id, state in states.items()}
        results: list[Result] = []
        kept: list[tuple[str, Reading]] = []
        for reading in checked:
            if isinstance(reading, Result):
                results.append(reading)
                continue
            bay_id = places[reading.sensor_id].bay_id
            kept.append((bay_id, reading))
            after = heard(seen[bay_id], reading)
            results.append(_REPEATED if after is seen[bay_id] else _ACCEPTED)
            seen[bay_id] = after
        await store_sensors.keep(connection, kept)
        changed = {
            bay_id: after
            for bay_id, after in seen.items()
            if after is not None and after is not states[bay_id].seen
        }
        await store_sensors.save_seen(connection, changed, now)
        turned = [
            bay_id for bay_id, after in changed.items() if _turned(states[bay_id].seen, after)
        ]
        await self._bay_states.refresh(connection, turned, now)
        return results

    def count(self, results: Sequence[Result]) -> None:
        """Into the metric."""
        for (outcome, field), total in Counter((one.outcome, one.field) for one in results).items():
            self._counter.add(total, {"outcome": outcome.lower(), "field": field})


def _turned(before: Seen | None, after: Seen) -> bool:
    return before is None or before.occupied is not after.occupied


def _checked(sent: Sent, places: Mapping[str, Place], now: datetime) -> Reading | Result:
    """A reading of the bay where its sensor is, or what becomes of it instead."""
    place = places.get(sent.sensor_id)
    if place is None:
        return _refused("sensor_id", f"{sent.sensor_id[:80]!r}: expected one that watches a bay")
    if sent.observed_at is None or sent.observed_at < _EARLIEST:
        return _refused("observed_at", "expected a time from 2000 on")
    if sent.observed_at > now + MAX_AHEAD:
        return _refused(
            "observed_at",
            f"{sent.observed_at.isoformat()}: expected at most {MAX_AHEAD.seconds} s ahead of"
            f" {now.isoformat()}",
        )
    if place.moved_at is not None and sent.observed_at <= place.moved_at:
        return _REPEATED
    return Reading(sent.sensor_id, sent.occupied, sent.observed_at)


def _refused(field: str, message: str) -> Result:
    return Result(Outcome.REFUSED, field, message)
