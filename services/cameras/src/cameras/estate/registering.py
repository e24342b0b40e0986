"""Sites and cameras come, change and go."""

from collections.abc import Sequence

from city_backbone.database import Connection
from city_backbone.errors import FailedPrecondition, NotFound

from cameras.estate import store
from cameras.estate.camera import Camera


async def register_cameras(connection: Connection, cameras: Sequence[Camera]) -> None:
    """All, or none: raises FailedPrecondition naming the first whose site is unknown."""
    known = await store.known_sites(connection, {camera.site_id for camera in cameras})
    for index, camera in enumerate(cameras):
        if camera.site_id not in known:
            raise FailedPrecondition(
                "UNKNOWN_SITE",
                f"cameras[{index}].site_id: expected a registered site, got {camera.site_id!r}",
            )
    await store.save_cameras(connection, cameras)


async def retire(connection: Connection, camera_id: str) -> Camera:
    """Out of service. Raises NotFound."""
    await store.retire(connection, camera_id)
    found = await store.find(connection, camera_id)
    if found is None:
        raise NotFound("camera", camera_id)
    return found
