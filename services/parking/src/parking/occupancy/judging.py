"""Judging whether sensors and bookings disagree, and opening disputes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from city_backbone.database import Connection
from city_backbone.outbox import Outbox
from opentelemetry.metrics import Meter

from parking.bookings import store as bookings
from parking.lots import store as lots
from parking.occupancy import facts, store, store_sensors
from parking.occupancy import store_disputes as disputes
from parking.occupancy.disagreement import Disagreement, Situation, disagreements, next_look
from parking.occupancy.dispute import Dispute, evidence

DISPUTES_METRIC = "city.parking.disputes"  # disputes opened, by kind
MAX_READINGS = 20  # in a dispute's evidence
_PER_RUN = 50
# A check-out by the clock of another replica, which is ahead, is known too.
_CLOCKS_APART = timedelta(minutes=1)


class Judging:
    """Every replica judges in its turn, bays that nobody else works on."""

    def __init__(
        self, outbox: Outbox, grace: timedelta, meter: Meter, clock: Callable[[], datetime]
    ) -> None:
        self._outbox = outbox
        self._grace = grace
        self._clock = clock
        self._counter = meter.create_counter(DISPUTES_METRIC)

    async def judge(self, connection: Connection) -> bool:
        """In the caller's transaction, with its events; whether there may be more to judge."""
        bay_ids, more = await disputes.lock_due(connection, self._clock(), _PER_RUN)
        if not bay_ids:
            return False
        now = self._clock()  # what is judged was done before
        found = {
            bay_id: (situation, disagreements(situation, now))
            for bay_id, situation in (await _situations(connection, bay_ids, now)).items()
        }
        lasting = {
            one.dispute_id(bay_id): (bay_id, one)
            for bay_id, (_, all_of_bay) in found.items()
            for one in all_of_bay
            if one.since + self._grace <= now
        }
        known = await disputes.known(connection, lasting)
        opened = [
            await _opened(connection, found[bay_id][0], one, now)
            for dispute_id, (bay_id, one) in lasting.items()
            if dispute_id not in known
        ]
        for dispute in opened:
            await disputes.add(connection, dispute)
            self._counter.add(1, {"kind": dispute.kind.lower()})
        await self._outbox.add(connection, [facts.dispute_opened(one) for one in opened])
        await disputes.judge_next(
            connection,
            {
                bay_id: next_look(situation, all_of_bay, now, self._grace)
                for bay_id, (situation, all_of_bay) in found.items()
            },
        )
        return more


async def _situations(
    connection: Connection, bay_ids: Sequence[str], now: datetime
) -> dict[str, Situation]:
    terms = await lots.terms(connection, bay_ids)
    states = await store.states(connection, bay_ids)
    current = await bookings.current(connection, bay_ids, now)
    owners_over = await disputes.owners_over(connection, bay_ids)
    situations = {
        bay_id: Situation(
            terms[bay_id],
            state.seen,
            current.get(bay_id, []),
            owners_over=owners_over.get(bay_id),
        )
        for bay_id, state in states.items()
    }
    return {
        bay_id: replace(
            one, last=await bookings.last_ended(connection, bay_id, now + _CLOCKS_APART)
        )
        if one.car and not one.staying
        else one
        for bay_id, one in situations.items()
    }


async def _opened(
    connection: Connection, situation: Situation, found: Disagreement, now: datetime
) -> Dispute:
    seen, terms = situation.seen, situation.terms
    readings = await store_sensors.newest_of(
        connection, terms.bay_id, seen.since if seen else None, MAX_READINGS
    )
    concerned = [*([situation.last] if situation.last else []), *situation.bookings]
    return Dispute(
        dispute_id=found.dispute_id(terms.bay_id),
        kind=found.kind,
        bay_id=terms.bay_id,
        lot_id=terms.lot_id,
        booking_id=found.booking_id,
        since=found.since,
        opened_at=now,
        evidence=evidence(readings, concerned),
    )
