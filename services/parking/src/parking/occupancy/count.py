"""How full a lot is."""

from dataclasses import dataclass
from datetime import datetime

from city_backbone.geo import Point

from parking.lots.terms import LotKind


@dataclass(frozen=True, slots=True)
class Count:
    """Bays in service, and those of them that are taken."""

    bays: int
    occupied: int
    reserved: int

    @property
    def free(self) -> int:
        return self.bays - self.occupied - self.reserved


@dataclass(frozen=True, slots=True)
class LotState:
    """A lot as it was last told of; revision 0 and no count: nothing was told yet."""

    lot_id: str
    name: str
    kind: LotKind
    position: Point
    revision: int = 0
    count: Count | None = None
    changed_at: datetime | None = None
