"""Acts on leases, as they stand in the register of leases and in its seals."""

from enum import StrEnum

from city_backbone.audit.act import Origin
from city_backbone.register import Entry

from cameras.leases.lease import Lease

REGISTER = "leases"
REGISTER_SEALED = "cameras.register-sealed.v1"
SERVICE = "cameras"
OURSELVES = Origin(SERVICE, "")


class Action(StrEnum):
    """What was done; what was tried and denied has its own names."""

    REQUESTED = "requested"
    REQUEST_DENIED = "request-denied"
    LEASED_AUTOMATICALLY = "leased-automatically"
    SCENE_DENIED = "scene-denied"
    APPROVED = "approved"
    APPROVAL_DENIED = "approval-denied"
    REFUSED = "refused"
    REFUSAL_DENIED = "refusal-denied"
    REVOKED = "revoked"
    REVOCATION_DENIED = "revocation-denied"
    TOKEN_ISSUED = "token-issued"
    TOKEN_DENIED = "token-denied"
    STREAM_AUTHORISED = "stream-authorised"
    STREAM_DENIED = "stream-denied"
    ENDED = "ended"


def allowed(
    action: Action,
    lease: Lease,
    actor: str,
    at: Origin,
    **details: str | int | bool | None,
) -> Entry:
    """An act on a lease, which is as it became."""
    return Entry(
        actor=actor,
        action=action,
        subject=str(lease.lease_id),
        department=at.department,
        source_address=at.address,
        details={
            "camera_id": lease.camera_id,
            "incident_id": str(lease.incident_id),
            "status": lease.status,
            **details,
        },
    )
