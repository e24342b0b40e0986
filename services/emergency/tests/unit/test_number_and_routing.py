"""Occurrence numbers and routes."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from emergency.domain.incident import Facts, Grade, Incident, Source, Status
from emergency.domain.number import WINDOW, allocate, first_choice, instant
from emergency.domain.routing import Route, rooms_for
from emergency.domain.scsns import seoul
from emergency.errors import NumbersExhausted
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 21, tzinfo=UTC)


def an_incident(kind: str, room: str | None = None) -> Incident:
    facts = Facts(Grade.URGENT, "화재", "", "")
    source = Source("B4113000000_IPC", "1", room)
    return Incident(UUID(int=1), kind, Status.OCCURRED, facts, AT, AT, "112", source)


def test_the_number_is_the_time_it_occurred_in_seoul() -> None:
    number = first_choice(datetime(2018, 12, 31, 15, 0, 0, 123_999, tzinfo=UTC))
    assert seoul.milliseconds(instant(number)) == "20190101000000123"


@given(
    st.lists(st.integers(0, 30), max_size=40),
    st.sets(st.integers(0, 60)),
)
def test_numbers_are_unique_and_never_before_the_choice(
    choices: list[int], taken: set[int]
) -> None:
    numbers = allocate(choices, taken)
    assert len(set(numbers)) == len(choices)
    assert not taken & set(numbers)
    assert all(number >= choice for number, choice in zip(numbers, choices, strict=True))


def test_a_full_window_is_refused() -> None:
    with pytest.raises(NumbersExhausted):
        allocate([5], range(5, 5 + WINDOW))


@pytest.mark.parametrize(
    ("kinds", "kind", "told"),
    [
        (("air.*",), "air.pm10", True),
        (("air.*",), "fire", False),
        (("fire", "119UC001"), "119UC001", True),
        (("*",), "anything", True),
    ],
)
def test_a_room_hears_of_its_kinds(kinds: tuple[str, ...], kind: str, told: bool) -> None:
    incident = an_incident(kind)
    assert (list(rooms_for(incident, [Route("disaster", kinds)])) == ["disaster"]) is told


def test_the_room_it_came_from_is_not_told() -> None:
    incident = an_incident("fire", room="112")
    assert rooms_for(incident, [Route("112", ("*",)), Route("119", ("*",))]) == ["119"]
