"""Occurrence numbers and routes."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from emergency.domain.incident import Facts, Grade, Incident, Source, Status
from emergency.domain.number import WINDOW, allocate, first_choice, instant
from emergency.domain.routing import Called, Route, rooms_for
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
    called = [Called("disaster")] if told else []
    assert list(rooms_for(incident, [Route("disaster", kinds)])) == called


def test_the_room_it_came_from_is_not_told() -> None:
    incident = an_incident("fire", room="112")
    routes = [Route("112", ("*",)), Route("119", ("*",))]
    assert rooms_for(incident, routes) == [Called("119")]


ROUTES = [
    Route("police", ("*",), ("112",)),
    Route("rescue", ("*",), ("119",)),
    Route("both", ("*",), ("112", "119")),
    Route("disaster", ("fire", "air.*")),
]


@pytest.mark.parametrize(
    ("desks", "expected"),
    [
        (("112",), {"police": "112", "both": "112"}),
        (("119",), {"rescue": "119", "both": "119"}),
        # The desk called first stays: one occurrence keeps one linked service.
        (("119", "112"), {"police": "112", "rescue": "119", "both": "119"}),
        ((), {"disaster": None}),
    ],
)
def test_desks_call_their_rooms(desks: tuple[str, ...], expected: dict[str, str | None]) -> None:
    incident = an_incident("fire")
    incident = replace(incident, facts=replace(incident.facts, desks=desks))
    assert {called.room: called.desk for called in rooms_for(incident, ROUTES)} == expected


def test_a_desk_called_later_takes_nothing_from_who_stands_in_for_another() -> None:
    incident = an_incident("fire")
    incident = replace(incident, facts=replace(incident.facts, desks=("119", "112")))
    routes = [Route("police", ("*",), ("112",)), Route("disaster", ("fire",))]
    assert list(rooms_for(incident, routes)) == [Called("police", "112"), Called("disaster")]


def test_desks_that_no_room_serves_lose_nobody() -> None:
    incident = an_incident("fire")
    incident = replace(incident, facts=replace(incident.facts, desks=("119",)))
    routes = [Route("police", ("*",), ("112",)), Route("disaster", ("fire",))]
    assert rooms_for(incident, routes) == [Called("disaster")]
