"""When sensor and bookings disagree, since when, and when that is a dispute."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parking.bookings.booking import Status
from parking.clock import SEOUL
from parking.interval import Interval
from parking.lots.terms import LotKind, Terms
from parking.occupancy.disagreement import (
    Disagreement,
    Kind,
    Situation,
    disagreements,
    next_look,
)

from .occupancy_cases import at, booking, name, owners, seen, span, terms

GRACE = timedelta(minutes=5)
NOW = at(60)
ALWAYS = span(-10_000, 10_000)
SHARED, PUBLIC = terms(LotKind.SHARED, ALWAYS), terms(LotKind.PUBLIC)
NOT_OFFERED = terms(LotKind.SHARED)
WITHOUT, EMPTY, AFTER, BLOCKED = Kind


def found(situation: Situation, now: datetime = NOW) -> list[tuple[Kind, UUID | None, float]]:
    """Kind, booking and minutes of since."""
    return [
        (one.kind, one.booking_id, (one.since - at(0)) / timedelta(minutes=1))
        for one in disagreements(situation, now)
    ]


def test_a_car_on_an_offered_bay_that_nobody_booked() -> None:
    assert found(Situation(SHARED, seen(True, 50))) == [(WITHOUT, None, 50)]
    assert found(Situation(SHARED, seen(False, 50))) == []
    assert found(Situation(SHARED, None)) == []


def test_the_owners_time_is_no_dispute() -> None:
    assert found(Situation(NOT_OFFERED, seen(True, 50))) == []
    kept = owners(Status.CONFIRMED, 30, 90)
    assert found(Situation(SHARED, seen(True, 50), [kept])) == []
    assert found(Situation(terms(LotKind.SHARED, ALWAYS, in_service=False), seen(True, 50))) == []


def test_it_counts_from_when_the_bay_is_offered() -> None:
    offered = terms(LotKind.SHARED, span(-500, 20), span(57, 200))
    assert found(Situation(offered, seen(True, 10))) == [(WITHOUT, None, 57)]
    touching = terms(LotKind.SHARED, span(-500, 20), span(20, 200))
    assert found(Situation(touching, seen(True, 10))) == [(WITHOUT, None, 10)]
    assert found(Situation(offered, seen(True, 10)), at(56.9)) == []
    assert found(Situation(offered, seen(True, 10)), at(200)) == []


def test_it_counts_from_the_end_of_who_was_there_by_right() -> None:
    over = Situation(SHARED, seen(True, -30), owners_over=at(58))
    assert found(over) == [(WITHOUT, None, 58)]
    given_up = booking(Status.SETTLED, -90, -60, checked_out_at=None, changed_at=at(55))
    assert found(Situation(SHARED, seen(True, -90), last=given_up)) == [(WITHOUT, None, 55)]


def test_a_car_that_keeps_a_booking_from_its_bay() -> None:
    confirmed = booking(Status.CONFIRMED, 50, 90)
    for known in (SHARED, PUBLIC, NOT_OFFERED):
        assert found(Situation(known, seen(True, 10), [confirmed])) == [(WITHOUT, name("a"), 50)]
        assert found(Situation(known, seen(True, 55), [confirmed])) == [(WITHOUT, name("a"), 55)]


def test_walk_ins_are_normal_in_public_lots() -> None:
    assert found(Situation(PUBLIC, seen(True, 10))) == []
    held = booking(Status.HELD, 50, 90)
    assert found(Situation(PUBLIC, seen(True, 10), [held])) == []
    assert found(Situation(SHARED, seen(True, 10), [held])) == [(WITHOUT, name("a"), 50)]


def test_a_claim_of_another_time_does_not_matter() -> None:
    later = booking(Status.CONFIRMED, 61, 90)
    assert found(Situation(PUBLIC, seen(True, 10), [later])) == []
    assert found(Situation(PUBLIC, seen(True, 10), [later]), at(61)) == [(WITHOUT, name("a"), 61)]


@pytest.mark.parametrize("status", [Status.OCCUPIED, Status.OVERSTAYED])
def test_a_car_that_is_checked_in_is_no_dispute(status: Status) -> None:
    for known in (SHARED, PUBLIC):
        assert found(Situation(known, seen(True, 10), [booking(status, 10, 55)])) == []


def test_nobody_there_though_checked_in() -> None:
    here = booking(Status.OCCUPIED, 10, 90)
    assert found(Situation(PUBLIC, seen(False, 30), [here])) == [(EMPTY, name("a"), 30)]
    assert found(Situation(PUBLIC, seen(False, 5), [here])) == [(EMPTY, name("a"), 10)]
    assert found(Situation(PUBLIC, None, [here])) == []
    gone = booking(Status.OVERSTAYED, 10, 50)
    assert found(Situation(PUBLIC, seen(False, 30), [gone])) == []


def test_still_there_after_the_check_out() -> None:
    out = booking(Status.SETTLED, 0, 40)
    for known in (SHARED, PUBLIC, NOT_OFFERED):
        assert found(Situation(known, seen(True, 1), last=out)) == [(AFTER, name("a"), 40)]
        assert found(Situation(known, seen(True, 40), last=out)) == [(AFTER, name("a"), 40)]
        assert found(Situation(known, seen(False, 40), last=out)) == []


def test_another_car_after_the_check_out_is_another_matter() -> None:
    out = booking(Status.SETTLED, 0, 40)
    assert found(Situation(SHARED, seen(True, 41), last=out)) == [(WITHOUT, None, 41)]
    assert found(Situation(PUBLIC, seen(True, 41), last=out)) == []
    left = booking(Status.SETTLED, 0, 40, checked_out_at=None, changed_at=at(40))
    assert found(Situation(PUBLIC, seen(True, 1), last=left)) == []


def test_a_car_that_stays_on_keeps_the_next_from_its_bay() -> None:
    out, after = booking(Status.SETTLED, 0, 40), booking(Status.CONFIRMED, 30, 90, "b")
    assert found(Situation(PUBLIC, seen(True, 1), [after], out)) == [
        (AFTER, name("a"), 40),
        (WITHOUT, name("b"), 40),
    ]
    here = replace(after, status=Status.OCCUPIED, checked_in_at=at(45))
    assert found(Situation(PUBLIC, seen(True, 1), [here], out)) == []


def test_the_next_cannot_park_for_an_overstay() -> None:
    over, after = booking(Status.OVERSTAYED, 0, 40), booking(Status.CONFIRMED, 40, 90, "b")
    for known in (SHARED, PUBLIC):
        assert found(Situation(known, seen(True, 1), [over, after])) == [(BLOCKED, name("b"), 40)]
        assert found(Situation(known, None, [over, after])) == [(BLOCKED, name("b"), 40)]
        assert found(Situation(known, seen(False, 39), [over, after])) == []
        assert found(Situation(known, seen(True, 1), [over])) == []
    kept = owners(Status.CONFIRMED, 40, 90, "b")
    assert found(Situation(SHARED, seen(True, 1), [over, kept])) == [(BLOCKED, name("b"), 40)]
    held = replace(after, status=Status.HELD)
    assert found(Situation(SHARED, seen(True, 1), [over, held])) == []
    ahead = booking(Status.CONFIRMED, 61, 90, "b")
    assert found(Situation(SHARED, seen(True, 1), [over, ahead])) == []


def test_a_reading_ahead_of_our_clock() -> None:
    assert found(Situation(SHARED, seen(True, 60.05))) == [(WITHOUT, None, 60.05)]


def test_the_same_disagreement_has_the_same_id() -> None:
    one = Disagreement(WITHOUT, None, at(0))
    assert one.dispute_id("bay-1") == Disagreement(WITHOUT, None, at(0)).dispute_id("bay-1")
    seoul = at(0).astimezone(SEOUL)
    others = [
        one.dispute_id("bay-2"),
        replace(one, kind=AFTER).dispute_id("bay-1"),
        replace(one, since=at(1)).dispute_id("bay-1"),
        replace(one, booking_id=name("a")).dispute_id("bay-1"),
    ]
    assert replace(one, since=seoul).dispute_id("bay-1") == one.dispute_id("bay-1")
    assert len({one.dispute_id("bay-1"), *others}) == 5


def look(situation: Situation, now: datetime) -> datetime | None:
    return next_look(situation, disagreements(situation, now), now, GRACE)


def test_when_to_look_again() -> None:
    confirmed = booking(Status.CONFIRMED, 50, 90)
    blocked = Situation(PUBLIC, seen(True, 10), [confirmed])
    assert look(blocked, at(52)) == at(55)
    assert look(blocked, at(55)) is None
    assert look(Situation(PUBLIC, seen(True, 10)), NOW) is None
    assert look(Situation(NOT_OFFERED, seen(True, 10)), NOW) == at(61)
    assert look(Situation(SHARED, seen(True, 59)), NOW) == at(61)
    assert look(Situation(SHARED, seen(True, 55.5)), NOW) == at(60.5)
    assert look(Situation(SHARED, seen(False, 10)), NOW) is None
    here = booking(Status.OCCUPIED, 10, 90)
    assert look(Situation(SHARED, seen(True, 10), [here]), NOW) is None


# An oracle that knows no "since": a dispute is what disagrees at every minute of the grace time.

HORIZON = 60
MINUTES = st.integers(0, HORIZON)


@dataclass(frozen=True)
class Case:
    """A bay as it is at HORIZON, every moment a whole minute."""

    situation: Situation
    offered: frozenset[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    spans = draw(st.lists(st.tuples(MINUTES, st.integers(1, HORIZON)), max_size=3))
    bookings = []
    if draw(st.booleans()):
        bookings.append(booking(Status.OVERSTAYED, -60, draw(MINUTES), "over"))
    status = draw(st.sampled_from([None, Status.HELD, Status.CONFIRMED, Status.OCCUPIED]))
    if status is not None:
        start = draw(MINUTES)
        bookings.append(booking(status, start, HORIZON + 30, "claim"))
        if status is Status.OCCUPIED:
            bookings[-1] = replace(bookings[-1], checked_in_at=at(max(0, start - 10)))
        elif status is Status.CONFIRMED and draw(st.booleans()):
            bookings[-1] = owners(status, start, HORIZON + 30, "claim")
    last = None
    if draw(st.booleans()):
        end = draw(MINUTES)
        last = booking(Status.SETTLED, -60, end, "last")
        if draw(st.booleans()):
            last = replace(last, checked_out_at=None, changed_at=at(end))
    situation = Situation(
        terms(
            draw(st.sampled_from(LotKind)),
            *(span(start, start + length) for start, length in spans),
            in_service=draw(st.booleans()),
        ),
        draw(st.none() | st.builds(seen, st.booleans(), MINUTES)),
        bookings,
        last,
        draw(st.none() | MINUTES.map(at)),
    )
    minutes = frozenset(m for start, length in spans for m in range(start, start + length))
    return Case(situation, minutes)


def disagree(case: Case, minute: int) -> set[tuple[Kind, UUID | None]]:
    """Whether, by what is known now, they disagreed at that minute."""
    one, moment = case.situation, at(minute)
    by_name = {known.booking_id: known for known in one.bookings}
    claim, over = by_name.get(name("claim")), by_name.get(name("over"))
    checked_in = claim is not None and claim.status is Status.OCCUPIED
    begun = claim is not None and claim.interval.starts_at <= moment
    sensed = one.seen is not None and one.seen.since <= moment
    car = one.seen is not None and one.seen.occupied
    shared = one.terms.lot_kind is LotKind.SHARED
    ended = None if one.last is None else one.last.checked_out_at or one.last.changed_at
    by_right = any(end is not None and moment < end for end in (ended, one.owners_over))
    same_car = (
        one.seen is not None
        and car
        and one.last is not None
        and one.last.checked_out_at is not None
        and one.seen.since <= one.last.checked_out_at
    )
    said: set[tuple[Kind, UUID | None]] = set()
    if checked_in and claim is not None and claim.checked_in_at is not None:
        if sensed and not car and claim.checked_in_at <= moment:
            said.add((EMPTY, name("claim")))
        return said
    paid = claim is not None and claim.status is Status.CONFIRMED
    if over is not None:
        if paid and begun and (one.seen is None or car):
            said.add((BLOCKED, name("claim")))
        return said
    if same_car and one.last is not None and ended is not None and ended <= moment:
        said.add((AFTER, name("last")))
    if sensed and car and not by_right:
        if claim is not None:
            if begun and not claim.owners and (shared or paid):
                said.add((WITHOUT, name("claim")))
        elif shared and one.terms.in_service and minute in case.offered and not same_car:
            said.add((WITHOUT, None))
    return said


@given(cases(), st.integers(1, 20))
@settings(deadline=None, max_examples=500)
def test_a_dispute_is_what_disagrees_at_every_minute_of_the_grace(case: Case, grace: int) -> None:
    all_found = disagreements(case.situation, NOW)
    now = disagree(case, HORIZON)
    assert {(one.kind, one.booking_id) for one in all_found} == now
    lasting = {
        (one.kind, one.booking_id)
        for one in all_found
        if one.since + timedelta(minutes=grace) <= NOW
    }
    minutes = range(HORIZON - grace, HORIZON + 1)
    assert lasting == set.intersection(*(disagree(case, minute) for minute in minutes))


@given(cases())
@settings(deadline=None, max_examples=300)
def test_since_is_the_first_minute_from_which_on_they_disagree(case: Case) -> None:
    for one in disagreements(case.situation, NOW):
        minute = HORIZON
        while minute > 0 and (one.kind, one.booking_id) in disagree(case, minute - 1):
            minute -= 1
        assert one.since == at(minute)


@given(cases())
@settings(deadline=None)
def test_nothing_ripens_before_the_next_look(case: Case) -> None:
    """While sensor and bookings say the same."""
    due = look(case.situation, NOW)
    known = {one.dispute_id("bay-1") for one in disagreements(case.situation, NOW)}
    for seconds in range(10, 600, 10):
        moment = NOW + timedelta(seconds=seconds)
        if due is not None and due <= moment:
            break
        for one in disagreements(case.situation, moment):
            lasted = one.since + GRACE <= moment
            assert not lasted or one.since + GRACE <= NOW
            assert not lasted or one.dispute_id("bay-1") in known


def test_terms_are_asked_only_for_what_they_must_tell() -> None:
    """A car that has stood for a year on a bay that is always offered costs few questions."""
    asked = []

    class Counting(Terms):
        def is_offered(self, interval: Interval) -> bool:
            asked.append(interval)
            return True

    counting = Counting(**{one: getattr(SHARED, one) for one in Terms.__slots__})
    year = -365 * 24 * 60
    assert found(Situation(counting, seen(True, year))) == [(WITHOUT, None, year)]
    assert len(asked) < 20
