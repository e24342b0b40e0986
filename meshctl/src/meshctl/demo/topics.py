"""What is on a topic, each event once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshctl import tail
from meshctl.errors import MeshctlError


def events(
    environment: Mapping[str, str], name: str, topic: str
) -> tuple[Sequence[dict[str, Any]], int]:
    """Their data in the order written, each `ce_id` once, the newest; and how many more there
    were with the same. Reads as the principal whose environment it is. Raises MeshctlError."""
    found: dict[str, dict[str, Any]] = {}
    again = 0
    for event in all_of(environment, name, topic):
        if event["data"] is None:
            raise MeshctlError(f"{topic}: {event['problem']}")
        identity = event["headers"]["ce_id"]
        again += identity in found
        found[identity] = event["data"]
    return list(found.values()), again


def all_of(environment: Mapping[str, str], name: str, topic: str) -> Sequence[Mapping[str, Any]]:
    """As `meshctl tail` has them, from the oldest to the newest of each partition."""
    return list(
        tail.events(environment, name, topic, from_beginning=True, stop=lambda _, ended: ended)
    )
