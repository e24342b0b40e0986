"""city.parking.v1.VaultService."""

from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from city.parking.v1 import vault_pb2 as pb
from city.parking.v1 import vault_pb2_grpc
from city_backbone.audit.account import account
from city_backbone.audit.act import Attempt, origin
from city_backbone.audit.attempts import Attempts
from city_backbone.audit.heads import heads
from city_backbone.database import Connection, Database
from city_backbone.errors import PermissionDenied
from city_backbone.events import event_id
from city_backbone.idempotency import Idempotency
from city_backbone.register import Register
from city_backbone.rpc.identity import caller

from parking.vault import contact, messages
from parking.vault.act import Action
from parking.vault.cipher import Cipher
from parking.vault.keeper import Keeper
from parking.vault.lookup import Lookup
from parking.vault.plate import plate

NAME = "city.parking.v1.VaultService"
_MAY_ASK = "emergency"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class VaultServicer(vault_pb2_grpc.VaultServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them.

    Of a request that registers somebody only a stand-in is compared when its key comes again: a
    plain digest of so few possible plates could be tried out.
    """

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        attempts: Attempts,
        cipher: Cipher,
        keeper: Keeper,
        lookup: Lookup,
        register: Register,
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._attempts = attempts
        self._cipher = cipher
        self._keeper = keeper
        self._lookup = lookup
        self._register = register

    async def RegisterVehicle(
        self, request: pb.RegisterVehicleRequest, context: Context
    ) -> pb.RegisterVehicleResponse:
        known_as = plate("plate", request.plate)
        reached_by = contact.telephone("contact", request.contact)
        stand_in = pb.RegisterVehicleRequest(
            plate=self._cipher.stand_in(known_as), contact=self._cipher.stand_in(reached_by)
        )
        async with self._database.transaction() as connection:

            async def effect() -> pb.RegisterVehicleResponse:
                identity = await self._keeper.vehicle(connection, known_as, reached_by)
                return pb.RegisterVehicleResponse(vehicle_id=str(identity))

            return await self._idempotency.run(
                connection,
                key=request.idempotency_key,
                method="RegisterVehicle",
                caller=caller(context),
                request=stand_in,
                response_type=pb.RegisterVehicleResponse,
                effect=effect,
            )

    async def RegisterOwner(
        self, request: pb.RegisterOwnerRequest, context: Context
    ) -> pb.RegisterOwnerResponse:
        department = caller(context)
        called = contact.line("name", request.name)
        reached_by = contact.line("contact", request.contact)
        stand_in = pb.RegisterOwnerRequest(
            name=self._cipher.stand_in(called), contact=self._cipher.stand_in(reached_by)
        )
        async with self._database.transaction() as connection:

            async def effect() -> pb.RegisterOwnerResponse:
                identity = event_id("owner", department, UUID(request.idempotency_key))
                await self._keeper.owner(connection, identity, called, reached_by)
                return pb.RegisterOwnerResponse(owner_id=str(identity))

            return await self._idempotency.run(
                connection,
                key=request.idempotency_key,
                method="RegisterOwner",
                caller=department,
                request=stand_in,
                response_type=pb.RegisterOwnerResponse,
                effect=effect,
            )

    async def FindBlockingVehicles(
        self, request: pb.FindBlockingVehiclesRequest, context: Context
    ) -> pb.FindBlockingVehiclesResponse:
        at, asked = origin(context), messages.asked(request)
        attempt = Attempt(Action.DENIED, at, request.requester, request.incident_id, asked)

        async def effect(connection: Connection) -> pb.FindBlockingVehiclesResponse:
            # Policies may be written with a wildcard; people are told of to nobody else.
            if at.department != _MAY_ASK:
                raise PermissionDenied("NOT_EMERGENCY", f"expected {_MAY_ASK} to call")
            incident_id = messages.incident(request.incident_id)
            requester = account("requester", request.requester)
            if messages.question(request) == "around":
                found = await self._lookup.around(
                    connection,
                    incident_id,
                    messages.centre(request.around),
                    messages.radius(request.around),
                    requester,
                    at,
                    asked,
                )
            else:
                found = await self._lookup.by_plate(
                    connection, incident_id, plate("plate", request.plate), requester, at, asked
                )
            return pb.FindBlockingVehiclesResponse(
                vehicles=[messages.blocking_message(one) for one in found]
            )

        return await self._attempts.make(attempt, pb.FindBlockingVehiclesResponse, effect)

    async def VerifyRegister(
        self, request: pb.VerifyRegisterRequest, context: Context
    ) -> pb.VerifyRegisterResponse:
        given = heads(request.heads)
        async with self._database.transaction() as connection:
            verdict = await self._register.verify(connection, given)
        return messages.verdict_message(verdict)
