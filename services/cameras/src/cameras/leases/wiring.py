"""Wires the part once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from city.cameras.v1.lease_pb2_grpc import add_LeaseServiceServicer_to_server
from city_backbone.audit.attempts import Attempts
from city_backbone.audit.seal import Seal
from city_backbone.register import Register
from city_backbone.runtime import Backbone, Service
from city_backbone.timers import every

from cameras.leases.act import REGISTER, REGISTER_SEALED
from cameras.leases.desk import Desk
from cameras.leases.lease import Limits
from cameras.leases.looks import Looks
from cameras.leases.rpc import NAME, LeaseServicer
from cameras.leases.scene import Scene
from cameras.leases.stream import subscriptions
from cameras.leases.token import signer
from cameras.settings import CamerasSettings


def _now() -> datetime:
    return datetime.now(UTC)


def leases(backbone: Backbone[CamerasSettings], clock: Callable[[], datetime] = _now) -> Service:
    """The part of the service; nothing has started yet. Raises SettingsError."""
    settings, database, stopping = backbone.settings.leases, backbone.database, backbone.stopping
    key_file = settings.signing_key_file or backbone.settings.tls.key_file
    limits = Limits(
        timedelta(minutes=settings.max_minutes), timedelta(minutes=settings.approve_within_minutes)
    )
    register = Register(REGISTER)
    desk = Desk(register, limits, clock)
    looks = Looks(register, signer(key_file, timedelta(seconds=settings.token_seconds)), clock)
    scene = Scene(register, looks, timedelta(minutes=settings.scene_minutes), limits, clock)
    attempts = Attempts(database, backbone.idempotency, register)
    seal = Seal(REGISTER, register, REGISTER_SEALED, backbone.outbox, clock)
    servicer = LeaseServicer(database, attempts, desk, looks, scene, register, clock)
    return Service(
        servicers=[(add_LeaseServiceServicer_to_server, servicer, NAME)],
        subscriptions=subscriptions(desk),
        tasks={
            "end leases": every(settings.expire_every_seconds, desk.end_due, database, stopping),
            "seal register": every(settings.seal_every_seconds, seal.seal, database, stopping),
        },
    )
