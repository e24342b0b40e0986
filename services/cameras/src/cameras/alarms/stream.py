"""The stream: a partition's batch of detections becomes alarms, in a handful of statements."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from city_backbone.database import Connection
from city_backbone.events import Event
from city_backbone.stream.subscription import Refusal

from cameras.alarms import alarm, store, store_watches
from cameras.alarms.alarm import Alarm, Site, alarm_id
from cameras.alarms.ledger import Ledger
from cameras.alarms.rulebook import Rulebook, Terms, micros
from cameras.alarms.store_rules import Rules
from cameras.alarms.store_watches import Key, Stored
from cameras.alarms.telemetry import Metrics
from cameras.alarms.watch import Confirmed, Detection, Watch


class _Sorted(NamedTuple):
    """What a batch has for each site and kind, in order, and how often what was left out."""

    watched: dict[Key, list[tuple[Event, Detection]]]
    outcomes: Counter[str]


class _Folded(NamedTuple):
    confirmed: dict[Key, dict[int, list[Confirmed]]]
    """By site and kind, and number of the alarm."""
    refusals: list[Refusal]


class Detections:
    """Handles cameras.object-detected.v1; what it has had before changes nothing."""

    def __init__(
        self, rules: Rules, ledger: Ledger, metrics: Metrics, clock: Callable[[], datetime]
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock

    def relevant(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those that some rule takes, and all while the rules are to be read again."""
        rules = self._rules.known()
        if rules is None:
            return events
        taken, outcomes = pick(events, rules)
        self._metrics.detected(outcomes)
        return [event for event, _ in taken]

    def urgent(self, events: Sequence[Event]) -> bool:
        """Whether an alarm that 112 or 119 may wait for can come of these, or the rules are old."""
        rules = self._rules.known()
        if rules is None:
            return True
        return any(
            rules.urgent(
                event.data["kind"],
                event.data["purpose"],
                micros(event.data["detected_at"]),
                event.data["confidence"],
            )
            for event in events
        )

    async def handle(self, connection: Connection, events: Sequence[Event]) -> Sequence[Refusal]:
        """Subscription handler; refuses what is too late, and alarms at no registered site."""
        rules = await self._rules.book(connection)
        watched, outcomes = sort(events, rules)
        refusals: list[Refusal] = []
        if watched:
            now = self._clock()
            stored = await store_watches.lock(connection, watched)
            confirmed, refusals = fold(stored, watched, outcomes)
            if confirmed:
                sites = await store.sites(connection, sorted({site_id for site_id, _ in confirmed}))
                for key in [key for key in confirmed if key[0] not in sites]:
                    del confirmed[key], stored[key]
                    reason = f"site_id: {key[0]!r} is not registered"
                    refusals += [Refusal(event, reason) for event, _ in watched[key]]
                await self._tell(connection, confirmed, sites, rules, now)
            await store_watches.save(connection, stored, now)
        self._metrics.detected(outcomes)
        return refusals

    async def _tell(
        self,
        connection: Connection,
        confirmed: Mapping[Key, Mapping[int, Sequence[Confirmed]]],
        sites: Mapping[str, Site],
        rules: Rulebook,
        now: datetime,
    ) -> None:
        known = await store.lock(
            connection,
            [
                alarm_id(site_id, kind, number)
                for (site_id, kind), numbers in confirmed.items()
                for number, news in numbers.items()
                if not news[0].raised
            ],
        )
        steps: list[tuple[Alarm | None, Alarm]] = []
        for (site_id, kind), numbers in sorted(confirmed.items()):
            for number, news in sorted(numbers.items()):
                before = known.get(alarm_id(site_id, kind, number))
                if before is None:
                    after = alarm.raised(sites[site_id], kind, news, rules, now)
                else:
                    after = before.joined(news, rules, now)
                steps.append((before, after))
                if after.due(now):
                    steps.append((after, after.escalated(alarm.AUTOMATIC, "", now)))
        await self._ledger.record(connection, steps)


def pick(
    events: Sequence[Event], rules: Rulebook
) -> tuple[list[tuple[Event, Terms]], Counter[str]]:
    """What some rule takes, with its terms; the others need no state at all."""
    taken: list[tuple[Event, Terms]] = []
    ignored = unsure = 0
    for event in events:
        data = event.data
        terms = rules.pick(data["kind"], data["purpose"], micros(data["detected_at"]))
        if terms is None:
            ignored += 1
        elif data["confidence"] >= terms.min_confidence:
            taken.append((event, terms))
        else:
            unsure += 1
    return taken, Counter(ignored=ignored, unsure=unsure)


def sort(events: Sequence[Event], rules: Rulebook) -> _Sorted:
    """By site and kind, what their rules take."""
    taken, outcomes = pick(events, rules)
    watched: dict[Key, list[tuple[Event, Detection]]] = {}
    for event, terms in taken:
        data = event.data
        detection = Detection(
            data["detection_id"],
            data["camera_id"],
            data["track_id"],
            data["purpose"],
            micros(data["detected_at"]),
            terms,
        )
        watched.setdefault((data["site_id"], data["kind"]), []).append((event, detection))
    return _Sorted(watched, outcomes)


def fold(
    stored: Mapping[Key, Stored],
    watched: Mapping[Key, Sequence[tuple[Event, Detection]]],
    outcomes: Counter[str],
) -> _Folded:
    """Add the detections to what is watched; `stored` and `outcomes` change."""
    confirmed: dict[Key, dict[int, list[Confirmed]]] = {}
    refusals: list[Refusal] = []
    for key, detections in watched.items():
        one = stored[key]
        watch, last_offset = one.watch, one.last_offset
        for event, detection in detections:
            if watch.late(detection.at):
                # Come again after a crash, or sent again: it was taken, or changes nothing.
                if event.offset <= last_offset or watch.known(detection):
                    outcomes["repeated"] += 1
                else:
                    outcomes["late"] += 1
                    refusals.append(Refusal(event, _too_late(watch, detection)))
            else:
                outcomes["watched"] += 1
                if news := watch.add(detection):
                    confirmed.setdefault(key, {}).setdefault(news.number, []).append(news)
        one.last_offset = max(last_offset, detections[-1][0].offset)
        watch.prune()
    return _Folded(confirmed, refusals)


def _too_late(watch: Watch, detection: Detection) -> str:
    behind, bound = watch.newest - detection.at, watch.newest - watch.floor
    return f"later than the bound: {behind / 1e6:.1f} s behind, at most {bound / 1e6:g} s"
