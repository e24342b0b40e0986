"""Reading the files of the estate, and what becomes of a row that is refused."""

from collections.abc import Sequence
from pathlib import Path

import grpc
import grpc.aio
import pytest
from city.cameras.v1 import camera_pb2 as pb
from meshctl.cameras_file import (
    CAMERA_COLUMNS,
    SITE_COLUMNS,
    parse_cameras,
    parse_sites,
)
from meshctl.csv_file import BadRow, Row
from meshctl.errors import MeshctlError, SettingsError
from meshctl.import_cameras import CHUNK, register

SITE = "park-0007,직동근린공원,park,37.7381,127.0338"
CAMERA = "park-0007-2,park-0007,park,37.7381,127.0338,90,60,50,30,rtsp://10.20.7.2/ch1"
FILE = Path("sites.csv")


def write(folder: Path, columns: Sequence[str], *lines: str) -> Path:
    file = folder / "file.csv"
    file.write_text("\n".join([",".join(columns), *lines]), encoding="utf-8-sig")
    return file


def test_a_site_and_a_camera(tmp_path: Path) -> None:
    (site,) = parse_sites(write(tmp_path, SITE_COLUMNS, SITE))
    assert isinstance(site, Row)
    assert (site.line, site.message.name) == (2, "직동근린공원")
    assert site.message.purpose == pb.PURPOSE_PARK
    (camera,) = parse_cameras(write(tmp_path, CAMERA_COLUMNS, CAMERA))
    assert isinstance(camera, Row)
    assert camera.message.heading_degrees == 90
    assert camera.message.position.longitude == 127.0338
    assert camera.message.retention_days == 30
    assert camera.message.stream_address == "rtsp://10.20.7.2/ch1"


def test_no_heading_means_all_around_and_zero_means_north(tmp_path: Path) -> None:
    lines = [CAMERA.replace(",90,", ",,"), CAMERA.replace(",90,", ",0,")]
    around, north = parse_cameras(write(tmp_path, CAMERA_COLUMNS, *lines))
    assert isinstance(around, Row)
    assert isinstance(north, Row)
    assert not around.message.HasField("heading_degrees")
    assert north.message.HasField("heading_degrees")


@pytest.mark.parametrize(
    ("good", "bad", "column"),
    [
        (",park,", ",garden,", "purpose"),
        ("37.7381", "north", "latitude"),
        ("127.0338", "", "longitude"),
        (",90,", ",east,", "heading_degrees"),
        (",60,", ",,", "field_of_view_degrees"),
        (",50,", ",far,", "range_metres"),
        (",30,", ",30.5,", "retention_days"),
        (",30,", ",-1,", "retention_days"),
        ("/ch1", "/ch1,more", ""),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(
    tmp_path: Path, good: str, bad: str, column: str
) -> None:
    file = write(tmp_path, CAMERA_COLUMNS, CAMERA.replace(good, bad), CAMERA)
    problem, camera = parse_cameras(file)
    assert isinstance(problem, BadRow)
    assert (problem.file, problem.line, problem.column) == (file, 2, column)
    assert isinstance(camera, Row)


def test_a_column_missing_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"file\.csv:1: column missing: latitude, longitude"):
        list(parse_sites(write(tmp_path, SITE_COLUMNS[:3], "a,b,park")))
    with pytest.raises(SettingsError, match=r"none\.csv: cannot be read"):
        list(parse_sites(tmp_path / "none.csv"))


class Department:
    """Takes all or none, and names the first row that it refuses, as the real one does."""

    def __init__(self, *refused: str, code: grpc.StatusCode | None = None) -> None:
        self.refused = refused
        self.code = code or grpc.StatusCode.INVALID_ARGUMENT
        self.registered: list[str] = []

    async def __call__(self, sites: Sequence[pb.Site]) -> None:
        assert 1 <= len(sites) <= CHUNK
        for index, site in enumerate(sites):
            if site.site_id in self.refused:
                raise self.error(f"sites[{index}].position.latitude: expected -90 to 90 degrees")
        self.registered += [site.site_id for site in sites]

    def error(self, details: str) -> grpc.aio.AioRpcError:
        nothing = grpc.aio.Metadata()
        return grpc.aio.AioRpcError(self.code, nothing, nothing, details)


def rows(count: int) -> list[Row[pb.Site]]:
    return [Row(number + 2, pb.Site(site_id=f"s-{number}")) for number in range(count)]


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION]
)
async def test_a_refused_row_is_named_and_all_others_go_in(code: grpc.StatusCode) -> None:
    wrong = {0, 7, CHUNK - 1, CHUNK + 1}
    department = Department(*(f"s-{number}" for number in wrong), code=code)
    bad: list[BadRow] = []
    registered = await register(FILE, rows(CHUNK + 3), department, bad)
    assert registered == CHUNK + 3 - len(wrong)
    assert department.registered == [f"s-{n}" for n in range(CHUNK + 3) if n not in wrong]
    expected = "expected -90 to 90 degrees"
    assert bad == [BadRow(FILE, number + 2, "latitude", expected) for number in sorted(wrong)]


async def test_a_chunk_without_a_good_row_is_not_sent_empty() -> None:
    bad: list[BadRow] = []
    assert await register(FILE, rows(1), Department("s-0"), bad) == 0
    assert len(bad) == 1


@pytest.mark.parametrize(
    "details", ["idempotency_key: expected a UUID", "sites[9].name: expected 1 to 100"]
)
async def test_what_is_not_a_rows_fault_ends_the_import(details: str) -> None:
    department = Department()

    async def call(sites: Sequence[pb.Site]) -> None:
        raise department.error(details)

    with pytest.raises(MeshctlError, match="cameras: "):
        await register(FILE, rows(2), call, [])
