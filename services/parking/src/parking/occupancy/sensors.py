"""Which sensor watches which bay."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition

from parking.occupancy import store, store_sensors
from parking.occupancy.bay_states import BayStates
from parking.occupancy.store_sensors import Place


@dataclass(frozen=True, slots=True)
class Watch:
    """A sensor on its bay."""

    sensor_id: str
    bay_id: str


async def register(
    connection: Connection,
    bay_states: BayStates,
    watches: Sequence[Watch],
    clock: Callable[[], datetime],
) -> None:
    """All, or none: raises FailedPrecondition naming the first whose bay is unknown.

    Each sensor and each bay stands once in `watches`. A bay has one sensor: the one before is
    taken away. A bay whose sensor changes counts as never seen.
    """
    wanted = {one.sensor_id: one.bay_id for one in watches}
    new, placed = await store_sensors.lock_for_registering(
        connection, list(wanted), list(wanted.values())
    )
    moved = {one for one in placed if wanted.get(one) != placed[one]}
    gained = {wanted[one] for one in new | moved if one in wanted}
    lost = {bay_id for one in moved if (bay_id := placed[one])}
    await store.lock_bays(connection, {*wanted.values(), *lost})
    now = clock()
    known = await store.states(connection, wanted.values())
    for index, one in enumerate(watches):
        if one.bay_id not in known:
            raise FailedPrecondition(
                "UNKNOWN_BAY",
                f"sensors[{index}].bay_id: expected a registered bay, got {one.bay_id!r}",
            )
    await store_sensors.take_away(connection, moved)
    await store_sensors.put(
        connection,
        {
            one: Place(wanted[one], None if one in new else now)
            for one in new | moved
            if one in wanted
        },
    )
    affected = sorted(gained | lost)
    await store_sensors.forget_seen(connection, affected)
    await bay_states.refresh(connection, affected, now)
