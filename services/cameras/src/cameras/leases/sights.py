"""What leases ask of the estate: is there such a camera, and which ones see a place."""

from collections.abc import Sequence

from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition, InvalidArgument, NotFound
from city_backbone.geo import Point

from cameras.errors import Invalid
from cameras.estate import store
from cameras.estate.finding import Near, near
from cameras.estate.site import check_id


async def must_serve(connection: Connection, camera_id: str) -> None:
    """Raises InvalidArgument, NotFound, or FailedPrecondition for a camera out of service."""
    try:
        check_id("camera_id", camera_id)
    except Invalid as error:
        raise InvalidArgument(error.field, error.expected) from None
    camera = await store.find(connection, camera_id)
    if camera is None:
        raise NotFound("camera", camera_id)
    if camera.retired:
        raise FailedPrecondition("CAMERA_RETIRED", "camera_id: the camera is out of service")


async def around(
    connection: Connection, point: Point, radius_metres: float, limit: int
) -> Sequence[Near]:
    """Cameras that are not offline, nearest first, those that look at the point before others."""
    looking = await near(connection, point, radius_metres, limit, looking=True, online_only=True)
    if len(looking) == limit:
        return looking
    close = await near(connection, point, radius_metres, limit, looking=False, online_only=True)
    others = [sight for sight in close if not sight.looks_at_point]
    return [*looking, *others][:limit]
