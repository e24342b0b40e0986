"""The part at work at a time of the test's own."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from city_backbone.database import Connection
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from parking.occupancy.bay_states import BayStates
from parking.occupancy.counting import Counting
from parking.occupancy.judging import Judging
from parking.occupancy.readings import Outcome, Readings, Sent

from .occupancy_mesh import GRACE, VEHICLE, Occupancy, at


class Life:
    """The part at a time of the test's own; `now` in minutes after START."""

    def __init__(self, running: Occupancy, now: float = 0) -> None:
        self.now = now
        self.running = running
        backbone = running.service.backbone
        self._reader = InMemoryMetricReader()
        meter = MeterProvider([self._reader], shutdown_on_exit=False).get_meter("test")
        clock: Callable[[], datetime] = lambda: at(self.now)  # noqa: E731
        self.states = BayStates(backbone.outbox)
        self.readings = Readings(self.states, meter, clock)
        self.counting = Counting(backbone.outbox, clock)
        self.judging = Judging(backbone.outbox, GRACE, meter, clock)
        self._database = backbone.database

    async def sense(self, sensor_id: str, *said: tuple[float, bool]) -> list[Outcome]:
        """Readings in one message; the clock is at the newest, if that is later."""
        self.now = max(self.now, *(minutes for minutes, _ in said))
        sent = [Sent(sensor_id, occupied, at(minutes)) for minutes, occupied in said]
        async with self._database.transaction() as connection:
            results = await self.readings.take(connection, sent)
        self.readings.count(results)
        return [result.outcome for result in results]

    async def refresh(self, *bay_ids: str) -> None:
        """As a part that has changed a bay's claims does."""
        async with self._database.transaction() as connection:
            await self.states.refresh(connection, bay_ids, at(self.now))

    async def judge(self, minutes: float | None = None) -> None:
        """Until nothing more is due."""
        self.now = self.now if minutes is None else minutes
        await self._run(self.judging.judge)

    async def count(self, minutes: float | None = None) -> None:
        self.now = self.now if minutes is None else minutes
        await self._run(self.counting.count)

    async def _run(self, work: Callable[[Connection], Any]) -> None:
        more = True
        while more:
            async with self._database.transaction() as connection:
                more = await work(connection)

    async def book(self, bay_id: str, status: str, start: float, end: float, **columns: Any) -> str:
        """A booking in its state; what changed last is its bay's state, at `now`."""
        came = status in ("OCCUPIED", "OVERSTAYED", "SETTLED")
        changed = {
            "HELD": start - 30,
            "CONFIRMED": start - 20,
            "OCCUPIED": start,
            "OVERSTAYED": end + 5,
        }.get(status, end)
        values: dict[str, Any] = {
            "booking_id": uuid.uuid4(),
            "bay_id": bay_id,
            "vehicle_id": VEHICLE,
            "owners": False,
            "status": status,
            "revision": 1,
            "price_won": 1200,
            "held_at": at(start - 30),
            "hold_expires_at": at(start + 60),
            "confirmed_at": None if status == "HELD" else at(start - 20),
            "checked_in_at": at(start) if came else None,
            "checked_out_at": at(end) if status == "SETTLED" else None,
            "changed_at": at(changed),
            **columns,
        }
        names = ", ".join(values)
        places = ", ".join(["%s"] * len(values))
        await self.running.rows(
            f"insert into booking ({names}, lot_id, during) select {places}, lot_id,"
            " tstzrange(%s, %s) from bay where bay_id = %s",
            *values.values(),
            at(start),
            at(end),
            bay_id,
        )
        await self.refresh(bay_id)
        return str(values["booking_id"])

    async def move(self, booking_id: str, status: str, **columns: Any) -> None:
        """Into another state, at `now`."""
        values = {"status": status, "changed_at": at(self.now), **columns}
        changes = ", ".join(f"{name} = %s" for name in values)
        (row,) = await self.running.rows(
            f"update booking set {changes} where booking_id = %s returning bay_id",
            *values.values(),
            booking_id,
        )
        await self.refresh(row["bay_id"])

    async def disputes(self, *bay_ids: str) -> list[dict[str, Any]]:
        """Rows, in the order in which they were opened."""
        return await self.running.rows(
            "select * from dispute where bay_id = any(%s) order by opened_at, kind", list(bay_ids)
        )

    def metric(self, name: str) -> dict[tuple[Any, ...], float]:
        """Values by those of the attributes."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            tuple((point.attributes or {}).values()): point.value  # type: ignore[union-attr]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }
