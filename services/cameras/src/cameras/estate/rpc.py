"""city.cameras.v1.CameraService."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc.aio
from city.cameras.v1 import camera_pb2 as pb
from city.cameras.v1 import camera_pb2_grpc
from city_backbone.database import Connection, Database
from city_backbone.errors import InvalidArgument, NotFound
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.identity import caller
from city_backbone.rpc.once import Once
from city_backbone.rpc.paging import page_size, page_token, parse_page_token

from cameras.directory import Directory
from cameras.errors import Invalid
from cameras.estate import finding, messages, registering, store
from cameras.estate.heartbeats import Heartbeats, Result
from cameras.estate.site import check_id

NAME = "city.cameras.v1.CameraService"
MAX_HEARTBEATS_PER_CALL = 10_000
MAX_HEARTBEATS_PER_MESSAGE = 1_000
MAX_RADIUS_METRES = 5_000
MAX_NEAR = 100
DEFAULT_NEAR = 10
# Who may be told where a camera's stream is; everybody else asks for a lease.
_TOLD_ADDRESSES = "operator"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class CameraServicer(camera_pb2_grpc.CameraServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        directory: Directory,
        heartbeats: Heartbeats,
    ) -> None:
        self._database = database
        self._once = Once(database, idempotency)
        self._directory = directory
        self._heartbeats = heartbeats

    async def RegisterSites(
        self, request: pb.RegisterSitesRequest, context: Context
    ) -> pb.RegisterSitesResponse:
        sites = messages.sites_from(request.sites)

        async def effect(connection: Connection) -> pb.RegisterSitesResponse:
            await store.save_sites(connection, sites)
            return pb.RegisterSitesResponse(registered=len(sites))

        return await self._once(request, context, pb.RegisterSitesResponse, effect)

    async def RegisterCameras(
        self, request: pb.RegisterCamerasRequest, context: Context
    ) -> pb.RegisterCamerasResponse:
        cameras = messages.cameras_from(request.cameras)

        async def effect(connection: Connection) -> pb.RegisterCamerasResponse:
            await registering.register_cameras(connection, cameras)
            return pb.RegisterCamerasResponse(registered=len(cameras))

        response = await self._once(request, context, pb.RegisterCamerasResponse, effect)
        self._directory.forget()
        return response

    async def RetireCamera(
        self, request: pb.RetireCameraRequest, context: Context
    ) -> pb.RetireCameraResponse:
        camera_id = _id("camera_id", request.camera_id)
        told = _told_addresses(context)

        async def effect(connection: Connection) -> pb.RetireCameraResponse:
            retired = await registering.retire(connection, camera_id)
            return pb.RetireCameraResponse(
                camera=messages.camera_message(retired, stream_address=told)
            )

        response = await self._once(request, context, pb.RetireCameraResponse, effect)
        self._directory.forget()
        return response

    async def GetCamera(
        self, request: pb.GetCameraRequest, context: Context
    ) -> pb.GetCameraResponse:
        camera_id = _id("camera_id", request.camera_id)
        async with self._database.transaction() as connection:
            found = await store.find(connection, camera_id)
        if found is None:
            raise NotFound("camera", camera_id)
        return pb.GetCameraResponse(
            camera=messages.camera_message(found, stream_address=_told_addresses(context))
        )

    async def ListCameras(
        self, request: pb.ListCamerasRequest, context: Context
    ) -> pb.ListCamerasResponse:
        """In the order of ids, the retired ones too."""
        size = page_size(request.page_size)
        site_id = request.site_id and _id("site_id", request.site_id)
        match parse_page_token(request.page_token):
            case []:
                after = ""
            case [str(after)] if after.isascii() and after.isprintable():
                pass
            case _:
                raise InvalidArgument("page_token", "expected a next_page_token of the same method")
        purpose = messages.purpose_from(request.purpose)
        presence = messages.presence_from(request.presence)
        async with self._database.transaction() as connection:
            found = await store.page(connection, site_id, purpose, presence, after, size + 1)
        told = _told_addresses(context)
        response = pb.ListCamerasResponse(
            cameras=[messages.camera_message(one, stream_address=told) for one in found[:size]]
        )
        if len(found) > size:
            response.next_page_token = page_token([found[size - 1].camera_id])
        return response

    async def FindNear(self, request: pb.FindNearRequest, context: Context) -> pb.FindNearResponse:
        point = messages.point_from(request)
        if not 0 < request.radius_metres <= MAX_RADIUS_METRES:
            raise InvalidArgument(
                "radius_metres",
                f"expected above 0 to {MAX_RADIUS_METRES}, got {request.radius_metres:g}",
            )
        if not 0 <= request.limit <= MAX_NEAR:
            raise InvalidArgument("limit", f"expected 1 to {MAX_NEAR}, got {request.limit}")
        async with self._database.transaction() as connection:
            found = await finding.near(
                connection,
                point,
                request.radius_metres,
                request.limit or DEFAULT_NEAR,
                looking=request.looking_at_point,
                online_only=request.online_only,
            )
        told = _told_addresses(context)
        return pb.FindNearResponse(
            cameras=[messages.near_message(one, stream_address=told) for one in found]
        )

    async def SendHeartbeats(
        self, request_iterator: AsyncIterator[pb.SendHeartbeatsRequest], context: Context
    ) -> pb.SendHeartbeatsResponse:
        """One transaction per message: a call that is cut off keeps what went before."""
        results: list[Result] = []
        async for request in request_iterator:
            if len(request.heartbeats) > MAX_HEARTBEATS_PER_MESSAGE:
                raise InvalidArgument(
                    "heartbeats", f"expected at most {MAX_HEARTBEATS_PER_MESSAGE} in a message"
                )
            if len(results) + len(request.heartbeats) > MAX_HEARTBEATS_PER_CALL:
                raise InvalidArgument(
                    "heartbeats", f"expected at most {MAX_HEARTBEATS_PER_CALL} in a call"
                )
            heartbeats = [messages.heartbeat_from(heartbeat) for heartbeat in request.heartbeats]
            if not heartbeats:
                continue
            async with self._database.transaction() as connection:
                taken = await self._heartbeats.take(connection, heartbeats)
            self._heartbeats.count(taken)
            results.extend(taken)
        return messages.heartbeats_answer(results)


def _id(field: str, value: str) -> str:
    try:
        check_id(field, value)
    except Invalid as error:
        raise InvalidArgument(error.field, error.expected) from error
    return value


def _told_addresses(context: Context) -> bool:
    return caller(context) == _TOLD_ADDRESSES
