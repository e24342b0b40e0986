"""The exception tree of the stand-in room.

RoomError
├── UnreadableError   a request that is neither JSON nor a form: HTTP 400
├── RefusedError      a readable message that breaks the wire format: HTTP 200, result "1"
├── RecordError       the record file cannot be used
└── SendError         the target of /control/send cannot be reached or answers no SCSNS
"""


class RoomError(Exception):
    """Anything the stand-in room raises on purpose."""


class UnreadableError(RoomError):
    """The request's bytes are not a message in either encoding."""


class RefusedError(RoomError):
    """A message is refused; `field` names the field or HTTP header at fault."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class RecordError(RoomError):
    """The record file is held by another room or holds a line that is not an event."""


class SendError(RoomError):
    """The target did not answer in time, or not with an SCSNS answer."""

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out
