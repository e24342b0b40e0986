"""From what hours did to stations' levels to what changed in the neighbourhoods."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from city_backbone.database import Connection
from city_backbone.events import OutgoingEvent

from sensors import facts
from sensors.domain.alert import RULES, HourMean, Level, StationAlert, fold
from sensors.domain.area import Alert, issue, level_of
from sensors.domain.pollutant import Pollutant
from sensors.domain.station import Station
from sensors.store import alerts as store
from sensors.store.alerts import AreaKey, StateKey

_FRESH = StationAlert()


class LevelStep(NamedTuple):
    """A station's level before and after an hour. causes: what to name if the area changes."""

    station: Station
    pollutant: Pollutant
    hour: HourMean
    before: Level
    after: Level
    causes: tuple[HourMean, ...]

    @property
    def area(self) -> AreaKey:
        return self.station.dong, self.pollutant


def fold_hour(
    states: dict[StateKey, StationAlert],
    station: Station,
    hour_end: datetime,
    valid_means: dict[Pollutant, int],
    revision: int,
) -> list[LevelStep]:
    """Fold a told hour into the station's states; returns a step per pollutant that moved on.

    A retired station raises no alert with what was still on its way.
    """
    steps: list[LevelStep] = []
    if station.retired:
        return steps
    for pollutant in station.pollutants:
        rule = RULES.get(pollutant)
        if rule is None:
            continue
        key = (station.station_id, pollutant)
        before = states.get(key, _FRESH)
        hour = HourMean(hour_end, valid_means.get(pollutant), revision)
        state, causes = fold(rule, before, hour)
        if state is before:
            continue
        states[key] = state
        steps.append(
            LevelStep(station, pollutant, hour, before.level, state.level, causes or (hour,))
        )
    return steps


async def settle(
    connection: Connection, steps: Sequence[LevelStep], now: datetime
) -> list[OutgoingEvent]:
    """Bring the areas' alerts up to the steps, in their order; returns the events to publish.

    An area's level is the highest of its stations' levels; stations that are silent or out of
    service do not count until they are heard again. Areas are looked at when an hour of one of
    their stations is folded, so that an area all of whose stations are silent keeps its level.
    """
    raised = await store.raised_areas(connection, {step.station.dong for step in steps})
    areas = {step.area for step in steps if step.before or step.after or step.area in raised}
    if not areas:
        return []
    standing = await store.lock_areas(connection, areas)
    steps = [step for step in steps if step.area in areas]
    levels = await store.station_levels(
        connection, areas, {step.station.station_id for step in steps}
    )
    for step in reversed(steps):
        levels[step.area][step.station.station_id] = step.before
    issued = await store.issued(connection, areas, {step.hour.hour_end for step in steps})
    changed: dict[object, Alert] = {}
    events = []
    for step in steps:
        area = step.area
        levels[area][step.station.station_id] = step.after
        level, alert = level_of(levels[area]), standing.get(area)
        previous = alert.level if alert else Level.NONE
        if level == previous:
            continue
        if alert is None:
            hour_end = step.hour.hour_end
            earlier = issued.get((area, hour_end), 0)
            issued[area, hour_end] = earlier + 1
            identity = facts.alert_id(*area, hour_end, earlier)
            alert = issue(identity, *area, level, hour_end)
        else:
            alert = alert.changed(level, step.hour.hour_end)
        standing[area] = alert if level else None
        changed.pop(alert.alert_id, None)
        changed[alert.alert_id] = alert
        events.append(facts.air_alert_changed(alert, previous, step.station, step.causes, now))
    if changed:
        await store.save_alerts(connection, list(changed.values()))
    return events


async def withdraw(
    connection: Connection, station: Station, pollutants: Iterable[Pollutant], now: datetime
) -> list[OutgoingEvent]:
    """The station no longer measures these pollutants in its area; its levels end with that."""
    states = await store.states(connection, [station.station_id])
    gone = [pollutant for pollutant in pollutants if (station.station_id, pollutant) in states]
    steps = []
    for pollutant in gone:
        state = states[station.station_id, pollutant]
        if state.last is not None and state.level:
            steps.append(LevelStep(station, pollutant, state.last, state.level, Level.NONE, ()))
    await store.forget_states(connection, station.station_id, gone)
    return await settle(connection, steps, now) if steps else []
