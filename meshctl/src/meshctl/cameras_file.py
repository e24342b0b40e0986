"""The files of `meshctl import cameras`: CSV with a header, UTF-8, columns in any order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from city.cameras.v1 import camera_pb2 as pb
from city.type.v1.position_pb2 import Position

from meshctl.csv_file import BadRow, Row, Unreadable, number, parse

SITE_COLUMNS = ("site_id", "name", "purpose", "latitude", "longitude")
CAMERA_COLUMNS = (
    "camera_id",
    "site_id",
    "purpose",
    "latitude",
    "longitude",
    "heading_degrees",
    "field_of_view_degrees",
    "range_metres",
    "retention_days",
    "stream_address",
)


def parse_sites(file: Path) -> Iterator[Row[pb.Site] | BadRow]:
    """Raises SettingsError when the file or its header is wrong."""
    return parse(file, SITE_COLUMNS, _site)


def parse_cameras(file: Path) -> Iterator[Row[pb.Camera] | BadRow]:
    """Raises SettingsError when the file or its header is wrong."""
    return parse(file, CAMERA_COLUMNS, _camera)


def _site(text: Mapping[str, str]) -> pb.Site:
    return pb.Site(
        site_id=text["site_id"],
        name=text["name"],
        purpose=_purpose(text),
        position=_position(text),
    )


def _camera(text: Mapping[str, str]) -> pb.Camera:
    return pb.Camera(
        camera_id=text["camera_id"],
        site_id=text["site_id"],
        purpose=_purpose(text),
        position=_position(text),
        heading_degrees=number(text, "heading_degrees") if text["heading_degrees"] else None,
        field_of_view_degrees=number(text, "field_of_view_degrees"),
        range_metres=number(text, "range_metres"),
        retention_days=_days(text),
        stream_address=text["stream_address"],
    )


def _position(text: Mapping[str, str]) -> Position:
    return Position(latitude=number(text, "latitude"), longitude=number(text, "longitude"))


def _purpose(text: Mapping[str, str]) -> pb.Purpose.ValueType:
    name = f"PURPOSE_{text['purpose'].upper().replace('-', '_')}"
    if name not in pb.Purpose.keys()[1:]:
        raise Unreadable(
            "purpose",
            "expected living-area-security, park, vehicle or child-protection,"
            f" found {text['purpose']!r}",
        )
    return pb.Purpose.Value(name)


def _days(text: Mapping[str, str]) -> int:
    if not re.fullmatch(r"\d{1,5}", text["retention_days"], re.ASCII):
        raise Unreadable("retention_days", f"expected whole days, found {text['retention_days']!r}")
    return int(text["retention_days"])
