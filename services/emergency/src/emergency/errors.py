"""What can go wrong in emergency.

EmergencyError
├── TransitionRefused       the life cycle of an incident does not allow it
├── AlertUnusable           an air alert that no incident can be made of
├── AlarmUnusable           an alarm that no incident can be made of
├── ReadingUnusable         an acute reading that no incident can be made of
├── RulesInvalid            dispatch rules that cannot be used
├── NumbersExhausted        no occurrence number is free near the incident's time
├── MessageRefused          an SCSNS message that can be read but not taken
├── MessageUnreadable       bytes that are no SCSNS message
└── RoomError
    ├── RoomUnavailable     the room did not answer as a room
    └── RoomRefused         the room answered that it does not take the message
"""


class EmergencyError(Exception):
    """Base of the department's errors."""


class TransitionRefused(EmergencyError):
    """The life cycle does not allow `requested` after `current`."""

    def __init__(self, current: str, requested: str) -> None:
        super().__init__(f"an incident that is {current} cannot become {requested}")
        self.current = current
        self.requested = requested


class AlertUnusable(EmergencyError):
    """A field of an air alert cannot be used."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}")
        self.field = field


class AlarmUnusable(EmergencyError):
    """A field of an alarm cannot be used."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}")
        self.field = field


class ReadingUnusable(EmergencyError):
    """A field of an acute reading cannot be used."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}")
        self.field = field


class RulesInvalid(EmergencyError):
    """A field of the dispatch rules is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class NumbersExhausted(EmergencyError):
    """Every occurrence number in the window after the incident's time is taken."""


class MessageRefused(EmergencyError):
    """A field of an SCSNS message is not as expected; the text goes back to the sender."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field


class MessageUnreadable(EmergencyError):
    """The request's bytes are no SCSNS message."""


class RoomError(EmergencyError):
    """A message did not reach a room, or did and was not taken."""


class RoomUnavailable(RoomError):
    """No answer in time, a cut connection, or an answer that is not one of SCSNS."""


class RoomRefused(RoomError):
    """The room answered result "1", also after authenticating again."""
