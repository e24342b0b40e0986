"""Occurrence numbers: one instant in milliseconds per incident, from the time it occurred."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from emergency.errors import NumbersExhausted

WINDOW = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def first_choice(occurred_at: datetime) -> int:
    """The number an incident of that time gets when it is free. Milliseconds since 1970 UTC."""
    return (occurred_at - _EPOCH) // _MILLISECOND


def instant(number: int) -> datetime:
    """The instant that `number` stands for, aware UTC."""
    return _EPOCH + number * _MILLISECOND


def allocate(choices: Iterable[int], taken: Iterable[int]) -> list[int]:
    """For each first choice the next number that is not `taken`, in turn.

    `taken` must hold all taken numbers in [choice, choice + WINDOW) of each choice. Raises
    NumbersExhausted when a window is full.
    """
    used = set(taken)
    numbers = []
    for choice in choices:
        number = next((n for n in range(choice, choice + WINDOW) if n not in used), None)
        if number is None:
            raise NumbersExhausted(f"all occurrence numbers from {instant(choice)} are taken")
        used.add(number)
        numbers.append(number)
    return numbers
