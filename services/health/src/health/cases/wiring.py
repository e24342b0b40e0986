"""Wires the part once."""

from collections.abc import Callable
from datetime import datetime

from city_backbone.audit.attempts import Attempts
from city_backbone.register import Register
from city_backbone.runtime import Backbone, Service

from health.cases.desk import Cases
from health.cases.stream import subscriptions
from health.clock import utc_now
from health.people.reads import REGISTER
from health.people.wiring import directory
from health.settings import HealthSettings


def desk(backbone: Backbone[HealthSettings], clock: Callable[[], datetime] = utc_now) -> Cases:
    """Behind PersonService's GetCase. Raises SettingsError."""
    register = Register(REGISTER)
    attempts = Attempts(backbone.database, backbone.idempotency, register)
    return Cases(attempts, register, directory(backbone), clock)


def cases(backbone: Backbone[HealthSettings]) -> Service:
    """The part of the service; nothing has started yet."""
    return Service(subscriptions=subscriptions())
