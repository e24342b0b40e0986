"""Whose car blocks the street: told for a live incident, with an entry in the register."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from city_backbone.audit.act import Origin
from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition
from city_backbone.geo import Point, boxes_around, distance_metres
from city_backbone.register import Entry, Register

from parking.vault import store, store_incidents
from parking.vault.act import Action
from parking.vault.cipher import Cipher, Purpose
from parking.vault.incident import Incident, unknown
from parking.vault.keeper import Keeper

log = structlog.get_logger()

_MOST = 50


@dataclass(frozen=True, slots=True)
class Blocking:
    """A vehicle and, when it is checked in, where it stands.

    Plate and contact are empty where what is stored cannot be opened.
    """

    vehicle_id: UUID
    plate: str = field(repr=False)
    contact: str = field(repr=False)
    bay_id: str
    position: Point | None
    distance_metres: float
    checked_in_at: datetime | None


class Lookup:
    """Each call runs in its caller's transaction, with its entry. Refusals are raised before
    anything is written; who raises them to a caller registers them."""

    def __init__(
        self, register: Register, cipher: Cipher, keeper: Keeper, incident_metres: float
    ) -> None:
        self._register = register
        self._cipher = cipher
        self._keeper = keeper
        self._incident_metres = incident_metres

    async def around(
        self,
        connection: Connection,
        incident_id: UUID,
        point: Point,
        radius_metres: float,
        requester: str,
        at: Origin,
        asked: Mapping[str, str],
    ) -> list[Blocking]:
        """Cars checked in within the radius, nearest first, at most 50.

        Raises FailedPrecondition when the incident is not known, has ended or is elsewhere.
        """
        incident = await self._live(connection, incident_id)
        incident.must_be_near(point, self._incident_metres)
        rows = await store.checked_in(connection, boxes_around(point, radius_metres))
        measured = sorted(
            (
                (distance_metres(Point(row["latitude"], row["longitude"]), point), row)
                for row in rows
            ),
            key=lambda found: (found[0], found[1]["bay_id"], found[1]["vehicle_id"]),
        )
        within = [found for found in measured if found[0] <= radius_metres]
        shown = [self._opened(row, distance) for distance, row in within[:_MOST]]
        await self._shown(connection, incident_id, requester, at, asked, shown)
        return shown

    async def by_plate(
        self,
        connection: Connection,
        incident_id: UUID,
        plate: str,
        requester: str,
        at: Origin,
        asked: Mapping[str, str],
    ) -> list[Blocking]:
        """That vehicle, wherever it is; none when it is not registered.

        Its distance is from the incident, 0 when one of both places is not known. Raises
        FailedPrecondition when the incident is not known or has ended.
        """
        incident = await self._live(connection, incident_id)
        row = await store.find_vehicle(connection, self._cipher.finder(plate))
        shown = []
        if row is not None:
            distance = 0.0
            if incident.position is not None and row["bay_id"] is not None:
                place = Point(row["latitude"], row["longitude"])
                distance = distance_metres(place, incident.position)
            shown = [self._opened(row, distance)]
        await self._shown(connection, incident_id, requester, at, asked, shown)
        return shown

    async def _live(self, connection: Connection, incident_id: UUID) -> Incident:
        await self._keeper.must_be_ours(connection)
        incident = await store_incidents.hold(connection, incident_id)
        if incident is None:
            raise unknown()
        incident.must_be_live()
        return incident

    def _opened(self, row: Mapping[str, Any], distance: float) -> Blocking:
        stands = row["bay_id"] is not None
        return Blocking(
            vehicle_id=row["vehicle_id"],
            plate=self._open(row, "plate"),
            contact=self._open(row, "contact"),
            bay_id=row["bay_id"] or "",
            position=Point(row["latitude"], row["longitude"]) if stands else None,
            distance_metres=distance,
            checked_in_at=row["checked_in_at"],
        )

    def _open(self, row: Mapping[str, Any], name: str) -> str:
        """Empty when it was altered: the others are told all the same."""
        try:
            return self._cipher.decrypt(Purpose.VEHICLE, row["vehicle_id"], name, bytes(row[name]))
        except FailedPrecondition:
            log.error("vehicle cannot be read", vehicle_id=str(row["vehicle_id"]), field=name)
            return ""

    async def _shown(
        self,
        connection: Connection,
        incident_id: UUID,
        requester: str,
        at: Origin,
        asked: Mapping[str, str],
        shown: Sequence[Blocking],
    ) -> None:
        entry = Entry(
            actor=requester,
            action=Action.SHOWN,
            subject=str(incident_id),
            department=at.department,
            source_address=at.address,
            details={**asked, "vehicles": " ".join(str(one.vehicle_id) for one in shown)},
        )
        await self._register.append(connection, [entry])
