"""city.cameras.v1.LeaseService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from city.cameras.v1 import lease_pb2 as pb
from city.cameras.v1 import lease_pb2_grpc
from city_backbone.audit.account import account
from city_backbone.audit.act import Attempt, origin
from city_backbone.audit.attempts import Attempts
from city_backbone.audit.heads import heads
from city_backbone.database import Connection, Database
from city_backbone.errors import NotFound, PermissionDenied
from city_backbone.events import event_id
from city_backbone.register import Register
from city_backbone.rpc.paging import page_size

from cameras.leases import messages, store
from cameras.leases.act import Action
from cameras.leases.desk import Desk
from cameras.leases.looks import Looks
from cameras.leases.scene import Scene

NAME = "city.cameras.v1.LeaseService"
_SPEAKS_FOR_ROOMS = "emergency"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class LeaseServicer(lease_pb2_grpc.LeaseServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them.

    What a request holds is read inside its attempt, so that a bad field is registered too.
    """

    def __init__(
        self,
        database: Database,
        attempts: Attempts,
        desk: Desk,
        looks: Looks,
        scene: Scene,
        register: Register,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._attempts = attempts
        self._desk = desk
        self._looks = looks
        self._scene = scene
        self._register = register
        self._clock = clock

    async def RequestLease(
        self, request: pb.RequestLeaseRequest, context: Context
    ) -> pb.RequestLeaseResponse:
        at = origin(context)
        attempt = Attempt(
            Action.REQUEST_DENIED,
            at,
            request.requester,
            request.camera_id,
            {
                "incident_id": request.incident_id,
                "ground": messages.ground_name(request.ground),
            },
        )

        async def effect(connection: Connection) -> pb.RequestLeaseResponse:
            lease = await self._desk.request(
                connection,
                event_id("lease", at.department, UUID(request.idempotency_key)),
                request.camera_id,
                messages.identity("incident_id", request.incident_id),
                messages.ground(request.ground),
                account("requester", request.requester),
                messages.duration(request),
                at,
            )
            return pb.RequestLeaseResponse(lease=messages.lease_message(lease))

        return await self._attempts.once(
            attempt,
            "RequestLease",
            request,
            request.idempotency_key,
            pb.RequestLeaseResponse,
            effect,
        )

    async def ApproveLease(
        self, request: pb.ApproveLeaseRequest, context: Context
    ) -> pb.ApproveLeaseResponse:
        at = origin(context)
        attempt = Attempt(Action.APPROVAL_DENIED, at, request.approver, request.lease_id)

        async def effect(connection: Connection) -> pb.ApproveLeaseResponse:
            lease = await self._desk.approve(
                connection,
                messages.identity("lease_id", request.lease_id),
                account("approver", request.approver),
                at,
            )
            return pb.ApproveLeaseResponse(lease=messages.lease_message(lease))

        return await self._attempts.once(
            attempt,
            "ApproveLease",
            request,
            request.idempotency_key,
            pb.ApproveLeaseResponse,
            effect,
        )

    async def RefuseLease(
        self, request: pb.RefuseLeaseRequest, context: Context
    ) -> pb.RefuseLeaseResponse:
        at = origin(context)
        attempt = Attempt(Action.REFUSAL_DENIED, at, request.approver, request.lease_id)

        async def effect(connection: Connection) -> pb.RefuseLeaseResponse:
            lease = await self._desk.refuse(
                connection,
                messages.identity("lease_id", request.lease_id),
                account("approver", request.approver),
                messages.reason(request.reason),
                at,
            )
            return pb.RefuseLeaseResponse(lease=messages.lease_message(lease))

        return await self._attempts.once(
            attempt,
            "RefuseLease",
            request,
            request.idempotency_key,
            pb.RefuseLeaseResponse,
            effect,
        )

    async def RevokeLease(
        self, request: pb.RevokeLeaseRequest, context: Context
    ) -> pb.RevokeLeaseResponse:
        at = origin(context)
        attempt = Attempt(Action.REVOCATION_DENIED, at, request.revoked_by, request.lease_id)

        async def effect(connection: Connection) -> pb.RevokeLeaseResponse:
            lease = await self._desk.revoke(
                connection,
                messages.identity("lease_id", request.lease_id),
                account("revoked_by", request.revoked_by),
                messages.reason(request.reason),
                at,
            )
            return pb.RevokeLeaseResponse(lease=messages.lease_message(lease))

        return await self._attempts.once(
            attempt,
            "RevokeLease",
            request,
            request.idempotency_key,
            pb.RevokeLeaseResponse,
            effect,
        )

    async def GetLease(self, request: pb.GetLeaseRequest, context: Context) -> pb.GetLeaseResponse:
        lease_id = messages.identity("lease_id", request.lease_id)
        async with self._database.transaction() as connection:
            lease = await store.find(connection, lease_id)
        if lease is None:
            raise NotFound("lease", request.lease_id)
        return pb.GetLeaseResponse(lease=messages.lease_message(lease.at(self._clock())))

    async def ListLeases(
        self, request: pb.ListLeasesRequest, context: Context
    ) -> pb.ListLeasesResponse:
        incident_id = (
            messages.identity("incident_id", request.incident_id) if request.incident_id else None
        )
        statuses = messages.statuses(request.statuses)
        size, before = page_size(request.page_size), messages.place(request.page_token)
        now = self._clock()
        async with self._database.transaction() as connection:
            found = await store.newest(connection, incident_id, statuses, before, now, size + 1)
        page = found[:size]
        return pb.ListLeasesResponse(
            leases=[messages.lease_message(lease.at(now)) for lease in page],
            next_page_token=messages.place_after(page[-1]) if len(found) > size else "",
        )

    async def IssueStreamToken(
        self, request: pb.IssueStreamTokenRequest, context: Context
    ) -> pb.IssueStreamTokenResponse:
        at = origin(context)
        attempt = Attempt(Action.TOKEN_DENIED, at, request.viewer, request.lease_id)

        async def effect(connection: Connection) -> pb.IssueStreamTokenResponse:
            text, token = await self._looks.issue(
                connection,
                messages.identity("lease_id", request.lease_id),
                account("viewer", request.viewer),
                at,
            )
            return pb.IssueStreamTokenResponse(
                token=text, expires_at=messages.timestamp(token.expires_at)
            )

        return await self._attempts.make(attempt, pb.IssueStreamTokenResponse, effect)

    async def AuthorizeStream(
        self, request: pb.AuthorizeStreamRequest, context: Context
    ) -> pb.AuthorizeStreamResponse:
        at = origin(context)
        attempt = Attempt(Action.STREAM_DENIED, at, "", request.camera_id)

        async def effect(connection: Connection) -> pb.AuthorizeStreamResponse:
            token = self._looks.read(request.token)
            attempt.actor = token.viewer
            attempt.asked = {"lease_id": str(token.lease_id), "token_id": token.token_id}
            await self._looks.authorise(connection, token, request.camera_id, at)
            return pb.AuthorizeStreamResponse(
                lease_id=str(token.lease_id), until=messages.timestamp(token.expires_at)
            )

        return await self._attempts.make(attempt, pb.AuthorizeStreamResponse, effect)

    async def LeaseScene(
        self, request: pb.LeaseSceneRequest, context: Context
    ) -> pb.LeaseSceneResponse:
        at = origin(context)
        attempt = Attempt(
            Action.SCENE_DENIED,
            at,
            request.room,
            request.incident_id,
            {"incident_kind": request.kind, "ground": messages.ground_name(request.ground)},
        )

        async def effect(connection: Connection) -> pb.LeaseSceneResponse:
            # Policies may be written with a wildcard; the standing order is for rooms alone.
            if at.department != _SPEAKS_FOR_ROOMS:
                raise PermissionDenied("NOT_FOR_ROOMS", f"expected {_SPEAKS_FOR_ROOMS} to call")
            shots = await self._scene.lease(
                connection,
                messages.identity("incident_id", request.incident_id),
                messages.kind(request.kind),
                messages.point(request),
                messages.ground(request.ground),
                account("room", request.room),
                messages.radius(request.radius_metres),
                messages.scene_limit(request.limit),
                at,
            )
            return pb.LeaseSceneResponse(cameras=[messages.shot_message(shot) for shot in shots])

        return await self._attempts.make(attempt, pb.LeaseSceneResponse, effect)

    async def VerifyRegister(
        self, request: pb.VerifyRegisterRequest, context: Context
    ) -> pb.VerifyRegisterResponse:
        given = heads(request.heads)
        async with self._database.transaction() as connection:
            verdict = await self._register.verify(connection, given)
        return messages.verdict_message(verdict)
