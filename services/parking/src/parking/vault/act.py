"""Look-ups, as they stand in their register and in its seals."""

from enum import StrEnum

REGISTER = "vehicle-lookups"
REGISTER_SEALED = "parking.register-sealed.v1"


class Action(StrEnum):
    """What was done, and what was tried and refused."""

    SHOWN = "vehicles-shown"
    DENIED = "lookup-denied"
