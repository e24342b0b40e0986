"""Wires the part once."""

from collections.abc import Callable
from datetime import datetime

from city.parking.v1.vault_pb2_grpc import add_VaultServiceServicer_to_server
from city_backbone.audit.attempts import Attempts
from city_backbone.audit.seal import Seal
from city_backbone.register import Register
from city_backbone.runtime import Backbone, Service
from city_backbone.timers import every

from parking.clock import utc_now
from parking.settings import ParkingSettings
from parking.vault.act import REGISTER, REGISTER_SEALED
from parking.vault.cipher import cipher
from parking.vault.keeper import Keeper
from parking.vault.lookup import Lookup
from parking.vault.rpc import NAME, VaultServicer
from parking.vault.stream import subscriptions


def vault(backbone: Backbone[ParkingSettings], clock: Callable[[], datetime] = utc_now) -> Service:
    """The part of the service; nothing has started yet. Raises SettingsError."""
    settings, database = backbone.settings.vault, backbone.database
    own = cipher(settings.key.get_secret_value())
    register, keeper = Register(REGISTER), Keeper(own)
    servicer = VaultServicer(
        database,
        backbone.idempotency,
        Attempts(database, backbone.idempotency, register),
        own,
        keeper,
        Lookup(register, own, keeper, settings.incident_metres),
        register,
    )
    seal = Seal(REGISTER, register, REGISTER_SEALED, backbone.outbox, clock)
    return Service(
        servicers=[(add_VaultServiceServicer_to_server, servicer, NAME)],
        subscriptions=subscriptions(),
        tasks={
            "seal register": every(
                settings.seal_every_seconds, seal.seal, database, backbone.stopping
            )
        },
    )
