"""The part's events, in the form of their schemas under events/."""

from city_backbone.events import OutgoingEvent, event_id

from parking.occupancy.count import LotState
from parking.occupancy.dispute import Dispute
from parking.occupancy.status import BayState

BAY_STATUS_CHANGED = "parking.bay-status-changed.v1"
LOT_OCCUPANCY_CHANGED = "parking.lot-occupancy-changed.v1"
DISPUTE_OPENED = "parking.dispute-opened.v1"


def bay_status_changed(state: BayState) -> OutgoingEvent:
    """The bay's new state, changed_at set."""
    assert state.changed_at is not None
    return OutgoingEvent(
        BAY_STATUS_CHANGED,
        state.bay_id,
        event_id(BAY_STATUS_CHANGED, state.bay_id, state.revision),
        state.changed_at,
        {
            "bay_id": state.bay_id,
            "lot_id": state.lot_id,
            "revision": state.revision,
            "status": state.status.value,
            "latitude": state.position.latitude,
            "longitude": state.position.longitude,
            "changed_at": state.changed_at,
        },
    )


def lot_occupancy_changed(lot: LotState) -> OutgoingEvent:
    """The lot's new count, changed_at set."""
    assert lot.count is not None
    assert lot.changed_at is not None
    return OutgoingEvent(
        LOT_OCCUPANCY_CHANGED,
        lot.lot_id,
        event_id(LOT_OCCUPANCY_CHANGED, lot.lot_id, lot.revision),
        lot.changed_at,
        {
            "lot_id": lot.lot_id,
            "name": lot.name,
            "kind": lot.kind.value,
            "revision": lot.revision,
            "bays": lot.count.bays,
            "occupied": lot.count.occupied,
            "reserved": lot.count.reserved,
            "free": lot.count.free,
            "latitude": lot.position.latitude,
            "longitude": lot.position.longitude,
            "changed_at": lot.changed_at,
        },
    )


def dispute_opened(dispute: Dispute) -> OutgoingEvent:
    return OutgoingEvent(
        DISPUTE_OPENED,
        dispute.bay_id,
        event_id(DISPUTE_OPENED, dispute.dispute_id),
        dispute.opened_at,
        {
            "dispute_id": str(dispute.dispute_id),
            "kind": dispute.kind.value,
            "bay_id": dispute.bay_id,
            "lot_id": dispute.lot_id,
            "booking_id": None if dispute.booking_id is None else str(dispute.booking_id),
            "since": dispute.since,
            "opened_at": dispute.opened_at,
            "evidence": [
                {"at": one.at, "source": one.source, "said": one.said} for one in dispute.evidence
            ],
        },
    )
