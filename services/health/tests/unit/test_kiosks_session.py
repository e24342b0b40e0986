"""The protocol of sessions: what is cut off and sent again comes to the same as what is not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from city_backbone.errors import FailedPrecondition, InvalidArgument
from health.kiosks.session import AHEAD, LATEST, MAX_MEASUREMENTS, Session, must_be_timely
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 25, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
PERSON = uuid4()
NEW = Session(uuid4(), "kiosk-1", PERSON, NOW)


def test_measurements_come_one_after_the_other() -> None:
    session = NEW
    for sequence in range(1, 4):
        assert not session.has(sequence)
        session = session.stored(sequence)
    assert session.stored_sequence == 3
    assert all(session.has(sequence) for sequence in (1, 2, 3))


@pytest.mark.parametrize("sequence", [5, 100])
def test_a_gap_is_named(sequence: int) -> None:
    with pytest.raises(InvalidArgument, match=rf"expected 4, got {sequence}: .* missing") as gap:
        replace(NEW, stored_sequence=3).has(sequence)
    assert gap.value.field == "measured.sequence"


@pytest.mark.parametrize("sequence", [-1, 0, MAX_MEASUREMENTS + 1, 2**31 - 1])
def test_sequences_are_bounded(sequence: int) -> None:
    with pytest.raises(InvalidArgument, match=f"expected 1 to {MAX_MEASUREMENTS}"):
        replace(NEW, stored_sequence=MAX_MEASUREMENTS).has(sequence)


def test_it_ends_when_nothing_is_missing() -> None:
    session = replace(NEW, stored_sequence=3)
    assert session.end(4, LATER) == session
    ended = session.end(3, LATER)
    assert ended == replace(session, ended_at=LATER)
    assert ended.end(3, LATER + timedelta(hours=1)) == ended
    with pytest.raises(InvalidArgument, match=r"end\.last_sequence: expected 3 or more, got 2"):
        session.end(2, LATER)
    with pytest.raises(InvalidArgument):
        ended.end(2, LATER)


def test_it_may_end_without_a_measurement() -> None:
    assert NEW.end(0, LATER).ended_at == LATER


def test_after_its_end_only_what_was_there_is_answered() -> None:
    ended = replace(NEW, stored_sequence=3, ended_at=LATER)
    assert ended.has(3)
    refusals: list[Callable[[], object]] = [
        lambda: ended.has(4),
        lambda: ended.has(9),
        lambda: ended.end(4, LATER),
    ]
    for refused in refusals:
        with pytest.raises(FailedPrecondition) as error:
            refused()
        assert error.value.reason == "ENDED"


@pytest.mark.parametrize(
    ("kiosk_id", "person_id"), [("kiosk-2", PERSON), ("kiosk-1", uuid4()), ("kiosk-2", uuid4())]
)
def test_it_is_of_one_kiosk_and_person(kiosk_id: str, person_id: UUID) -> None:
    NEW.must_be_of("kiosk-1", PERSON)
    with pytest.raises(FailedPrecondition) as refused:
        NEW.must_be_of(kiosk_id, person_id)
    assert refused.value.reason == "SESSION_OF_ANOTHER"
    assert str(PERSON) not in str(refused.value)


def test_times_may_be_late_and_hardly_ahead() -> None:
    for fine in (NOW, NOW + AHEAD, NOW - LATEST):
        must_be_timely("taken_at", fine, NOW)
    for wrong in (NOW + AHEAD + timedelta.resolution, NOW - LATEST - timedelta.resolution):
        with pytest.raises(InvalidArgument) as refused:
            must_be_timely("taken_at", wrong, NOW)
        assert refused.value.field == "taken_at"


class Cut(Exception):
    """The stream is gone."""


@dataclass
class Memory:
    """What the desk does, without a database; `stored` is what was stored, in order."""

    session: Session | None = None
    stored: list[int] = field(default_factory=list)

    def begin(self) -> Session:
        self.session = self.session or NEW
        self.session.must_be_of(NEW.kiosk_id, NEW.person_id)
        return self.session

    def measure(self, sequence: int) -> Session:
        assert self.session is not None
        if not self.session.has(sequence):
            self.stored.append(sequence)
            self.session = self.session.stored(sequence)
        return self.session

    def end(self, last_sequence: int) -> Session:
        assert self.session is not None
        self.session = self.session.end(last_sequence, LATER)
        return self.session


@dataclass
class Network:
    """Does to each message what comes next: nothing, or it or its answer is lost."""

    fates: Iterator[str]

    def carry(self, act: Callable[[], Session]) -> Session:
        fate = next(self.fates, "")
        if fate == "request lost":
            raise Cut
        answer = act()
        if fate == "answer lost":
            raise Cut
        return answer


def deliver(memory: Memory, network: Network, count: int, skipped: int) -> None:
    """As a kiosk does: again from begin on whenever the stream is cut, and from what the answer
    to end says is stored. It sends the `skipped` last of what is stored already once more."""
    while True:
        try:
            at = network.carry(memory.begin).stored_sequence
            for sequence in range(max(1, at + 1 - skipped), count + 1):
                network.carry(lambda number=sequence: memory.measure(number))  # type: ignore[misc]
            if network.carry(lambda: memory.end(count)).ended_at is not None:
                return
        except Cut:
            continue


@given(
    count=st.integers(0, 12),
    skipped=st.integers(0, 5),
    fates=st.lists(st.sampled_from(["", "", "request lost", "answer lost"]), max_size=60),
)
@settings(max_examples=500)
def test_wherever_it_is_cut_all_is_stored_once(count: int, skipped: int, fates: list[str]) -> None:
    memory = Memory()
    deliver(memory, Network(iter(fates)), count, skipped)
    assert memory.stored == list(range(1, count + 1))
    assert memory.session == replace(NEW, stored_sequence=count, ended_at=LATER)


steps = st.one_of(
    st.tuples(st.just("measure"), st.integers(-1, 8)), st.tuples(st.just("end"), st.integers(-1, 8))
)


@given(st.lists(steps, max_size=40))
@settings(max_examples=500)
def test_whatever_comes_there_is_no_gap_and_nothing_after_the_end(
    taken: list[tuple[str, int]],
) -> None:
    """Streams of one session at once, from kiosks that do as they like."""
    memory = Memory()
    memory.begin()
    for what, number in taken:
        before = memory.session
        assert before is not None
        try:
            after = memory.measure(number) if what == "measure" else memory.end(number)
        except (InvalidArgument, FailedPrecondition):
            assert memory.session == before
            continue
        assert memory.stored == list(range(1, after.stored_sequence + 1))
        if before.ended_at is not None:
            assert after == before
