"""A profile as it is sealed."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from city_backbone.errors import Unreadable

from health.people.person import Group, Profile

FIELD = "profile"


def packed(profile: Profile) -> Mapping[str, Any]:
    return {
        "name": profile.name,
        "birth_date": profile.birth_date.isoformat(),
        "contact": profile.contact,
        "medical_note": profile.medical_note,
        "groups": sorted(profile.groups),
    }


def unpacked(content: Mapping[str, Any]) -> Profile:
    """Raises Unreadable."""
    try:
        return Profile(
            content["name"],
            date.fromisoformat(content["birth_date"]),
            content["contact"],
            content["medical_note"],
            frozenset(Group(group) for group in content["groups"]),
        )
    except (KeyError, TypeError, ValueError):
        raise Unreadable("profile: not of this version") from None
