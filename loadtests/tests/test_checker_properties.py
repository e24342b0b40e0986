"""Any past with any faults planted in it: exactly these are found."""

import random
import tempfile
from pathlib import Path
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from .checker_run import ALONE, Fault, Found, Past, check, found

FAULTS: tuple[Fault, ...] = get_args(Fault)
seeds = st.integers(0, 2**32)
planted = st.lists(st.tuples(st.sampled_from(FAULTS), st.booleans()), max_size=6)


@settings(max_examples=60, deadline=None)
@given(seeds, planted, st.integers(0, 5), st.integers(0, 5), st.integers(1, 5))
def test_exactly_what_was_planted_is_found(
    seed: int,
    faults: list[tuple[Fault, bool]],
    stations: int,
    trips: int,
    parts: int,
) -> None:
    draw = random.Random(seed)
    past = Past()
    for number in range(stations):
        past.station(f"station {number}", draw, draw.randint(1, 12))
    for number in range(trips):
        past.trip(f"booking {number}", draw)
    expected: set[Found] = set()
    for number, (fault, of_booking) in enumerate(faults):
        key = f"faulty {number}"
        if of_booking and fault != "unseen":
            past.trip(key, draw, sure=True)
        else:
            past.station(key, draw, draw.randint(2, 8), sure=True)
        expected |= past.plant(fault, key, draw)
    past.repeat(draw)
    events = past.events(draw)

    with tempfile.TemporaryDirectory() as name:
        one = check(past.calls, [*past.rows, *events], Path(name) / "a", ALONE, parts)
        again = check(past.calls, [*past.rows, *events], Path(name) / "b", ALONE, 7)

    assert found(one) == expected
    assert one == again
    assert sum(one.counts.values()) == len(expected)
    assert one.complete
    assert one.checked["acknowledged ids"] == past.acknowledged
    assert one.checked["unknown: happened"] == past.happened
    assert one.checked["unknown: did not happen"] == past.unhappened
    assert one.checked["repetitions of the same event"] == past.repeated
