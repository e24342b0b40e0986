"""What the department listens to: its own readings, so that each hour is folded in one place."""

from collections.abc import Sequence

from city_backbone.stream.subscription import Subscription

from sensors.facts import READING_TAKEN
from sensors.processing import Processing

# A station measures each minute, and tells of an hour.
_LINGER_SECONDS = 0.5


def subscriptions(processing: Processing) -> Sequence[Subscription]:
    """Readings of a station are in one partition, in the order they were accepted."""
    return (Subscription(READING_TAKEN, processing.handle, linger=_LINGER_SECONDS),)
