"""What can go wrong with alarms.

CamerasError
├── Invalid              (cameras.errors) a field of a set of rules is wrong
└── TransitionRefused    the life of an alarm does not allow it
"""

from cameras.errors import CamerasError


class TransitionRefused(CamerasError):
    """An alarm that is `current` cannot become `requested`."""

    def __init__(self, current: str, requested: str) -> None:
        super().__init__(f"an alarm that is {current} cannot become {requested}")
        self.current = current
        self.requested = requested
