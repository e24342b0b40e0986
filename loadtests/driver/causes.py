"""What must show of calls that were acknowledged. Pure."""

from collections.abc import Collection, Mapping

from loadtests.driver.operations.cameras import ARSON
from loadtests.driver.operations.health import ACUTE

#: The operations of which each call that is acknowledged has just one such effect.
CAUSES: Mapping[str, tuple[str, ...]] = {
    "cameras.alarm-raised.v1": (ARSON,),
    "cameras.alarm-escalated.v1": (ARSON,),
    "health.acute-reading-detected.v1": (ACUTE,),
    "emergency.incident-changed.v1": (ARSON, ACUTE),
    "room-112": (ARSON,),
    "room-119": (ARSON, ACUTE),
}


def expected(acknowledged: Mapping[str, int], rooms: Collection[str]) -> dict[str, int]:
    """How many there must be of each effect that is caused at all, by how many calls of each
    operation were acknowledged; of the rooms those that are watched."""
    caused = {
        effect: sum(acknowledged.get(name, 0) for name in operations)
        for effect, operations in CAUSES.items()
        if not effect.startswith("room-") or effect in rooms
    }
    return {effect: count for effect, count in caused.items() if count}
