"""The operator's command against the running part: what is good goes in, what is not is named."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from city.cameras.v1 import camera_pb2 as pb
from city_backbone.testing import Mesh

from .estate_mesh import DEADLINE, Estate, running_estate, unique

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def estate(mesh: Mesh) -> AsyncIterator[Estate]:
    """Where the operator looks for it."""
    peers = json.loads(mesh.environment("operator")["OPERATOR_PEERS"])
    port = peers["cameras"].rpartition(":")[2]
    async with running_estate(mesh, {"CAMERAS_GRPC__PORT": port}) as running:
        yield running


async def test_two_files(estate: Estate, mesh: Mesh, tmp_path: Path) -> None:
    park, school = unique("park"), unique("school")
    sites, cameras = tmp_path / "sites.csv", tmp_path / "cameras.csv"
    sites.write_text(
        "site_id,name,purpose,latitude,longitude\n"
        f"{park},직동근린공원,park,37.7381,127.0338\n"
        "Wrong,직동,park,37.7381,127.0338\n"
        f"{school},의정부초등학교,child-protection,37.7421,127.0462\n"
    )
    cameras.write_text(
        "camera_id,site_id,purpose,latitude,longitude,heading_degrees,field_of_view_degrees,"
        "range_metres,retention_days,stream_address\n"
        f"{park}-1,{park},park,37.7381,127.0338,90,60,50,30,rtsp://10.20.7.2/ch1\n"
        f"{park}-2,{park},park,37.7381,127.0338,400,60,50,30,rtsp://10.20.7.2/ch2\n"
        f"{park}-3,{park},park,37.7381,127.0338,90,60,50,month,rtsp://10.20.7.2/ch3\n"
        f"{park}-4,nowhere,park,37.7381,127.0338,90,60,50,30,rtsp://10.20.7.2/ch4\n"
        f"{park}-5,{park},park,37.7381,127.0338,,360,50,30,rtsp://a:geheim@10.20.7.2/ch5\n"
        f"{school}-1,{school},child-protection,37.7421,127.0462,,360,50,30,rtsp://10.20.7.3/ch1\n"
    )
    command = await asyncio.create_subprocess_exec(
        *mesh.command("import", "cameras", str(sites), str(cameras)),
        *("--give-up-after", str(DEADLINE)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(3 * DEADLINE):
        out, err = await command.communicate()
    assert command.returncode == 1
    assert out.decode().strip() == "2 sites and 2 cameras registered, 5 rows bad"
    assert err.decode().splitlines() == [
        f"{sites}:3: site_id: expected 1 to 64 of a-z, 0-9 and hyphen, got 'Wrong'",
        f"{cameras}:3: heading_degrees: expected 0 to below 360, got 400",
        f"{cameras}:4: retention_days: expected whole days, found 'month'",
        f"{cameras}:5: site_id: expected a registered site, got 'nowhere'",
        f"{cameras}:6: stream_address: expected a URL without credentials",
    ]
    known = await estate.get(f"{school}-1")
    assert known.purpose == pb.PURPOSE_CHILD_PROTECTION
    assert not known.HasField("heading_degrees")
    assert (await estate.get(f"{park}-1")).heading_degrees == 90
