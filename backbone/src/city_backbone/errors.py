"""Everything the backbone raises.

BackboneError
├── Transient            may work when tried again: a neighbour, the database or the broker is away
│   ├── DatabaseUnavailable
│   ├── RegistryUnavailable
│   ├── BrokerUnavailable
│   ├── TopicRefused
│   ├── Overloaded
│   └── NeighbourUnavailable
├── Unprocessable        will never work: the event goes to the dead-letter topic
│   └── Undecodable
├── InvalidEvent         we tried to send what does not fit its schema
├── InvalidEntry         what a register is to record is of the wrong kind
├── Unreadable           this key did not seal that
├── InvalidArgument      a request's field is wrong
├── NotFound
├── FailedPrecondition
├── Aborted
├── PermissionDenied
├── IdempotencyConflict
└── SettingsError        the service cannot start
"""


class BackboneError(Exception):
    """Base of all."""


class Transient(BackboneError):
    """May work when tried again."""


class DatabaseUnavailable(Transient):
    """PostgreSQL cannot be reached, or did not answer in time."""


class RegistryUnavailable(Transient):
    """The schema registry cannot be reached, or did not answer in time."""


class BrokerUnavailable(Transient):
    """Kafka cannot be reached, or has not confirmed in time."""


class TopicRefused(Transient):
    """Kafka does not take this topic from us: not authorised, or unknown there."""


class Overloaded(Transient):
    """More waits than is let in; the caller sends again later. Maps to RESOURCE_EXHAUSTED."""

    retry_after_seconds = 1.0


class NeighbourUnavailable(Transient):
    """Another department's service is away, or its circuit breaker is open."""


class Unprocessable(BackboneError):
    """This event can never be handled; the message says why."""


class Undecodable(Unprocessable):
    """The bytes are no event of a schema that the registry knows."""


class InvalidEvent(BackboneError):
    """The data does not fit the schema of its topic."""


class InvalidEntry(BackboneError):
    """An entry of a register has a field that cannot be recorded; the message names it."""


class Unreadable(BackboneError):
    """What was sealed under another key or for another place, or was changed since."""


class InvalidArgument(BackboneError):
    """A field of a request is wrong; maps to INVALID_ARGUMENT."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected


class NotFound(BackboneError):
    """There is no such thing; maps to NOT_FOUND."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{what} {name!r} not found")
        self.what = what
        self.name = name


class _Reasoned(BackboneError):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FailedPrecondition(_Reasoned):
    """The state does not allow it; maps to FAILED_PRECONDITION."""


class Aborted(_Reasoned):
    """Somebody else was faster; maps to ABORTED."""


class PermissionDenied(_Reasoned):
    """The caller is not registered for this call; maps to PERMISSION_DENIED."""


class IdempotencyConflict(_Reasoned):
    """The key was used before with another request; maps to ALREADY_EXISTS."""


class SettingsError(BackboneError):
    """A setting is missing or wrong; the message names the variable."""
