"""A person under a pseudonym, and what is known of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from uuid import UUID

LAST_PRIORITY = 3


class Purpose(StrEnum):
    """What somebody consents to, each on its own."""

    MEASUREMENT = "MEASUREMENT"
    EMERGENCY = "EMERGENCY"
    REMINDER = "REMINDER"


class Group(StrEnum):
    """취약계층: 독거노인, 장애인, 만성질환자, 기초생활수급자."""

    ELDERLY_ALONE = "ELDERLY_ALONE"
    DISABLED = "DISABLED"
    CHRONIC = "CHRONIC"
    LOW_INCOME = "LOW_INCOME"


@dataclass(frozen=True, slots=True)
class Person:
    """Enrolled, with consent in force. Priority 1 is first."""

    person_id: UUID
    zone: str
    priority: int
    purposes: frozenset[Purpose]


@dataclass(frozen=True, slots=True)
class Profile:
    """Who it is; only ever stored sealed, and never part of a text."""

    name: str = field(repr=False)
    birth_date: date = field(repr=False)
    contact: str = field(repr=False)
    medical_note: str = field(repr=False)
    groups: frozenset[Group] = field(repr=False)


_FIRST = {
    Group.ELDERLY_ALONE: 1,
    Group.DISABLED: 1,
    Group.CHRONIC: 2,
    Group.LOW_INCOME: 2,
}


def priority(groups: Iterable[Group]) -> int:
    """1 to 3: the first of the groups' ranks, 3 without a group.

    The ranks are an assumption: the programme says vulnerable citizens first, and not in which
    order. First are those whom nobody else may see fall ill or who cannot come easily.
    """
    return min((_FIRST[group] for group in groups), default=LAST_PRIORITY)
