"""Registrations: every field is checked, and named when wrong."""

import math
from typing import Any

import pytest
from cameras.errors import Invalid
from cameras.estate.camera import camera
from cameras.estate.presence import PresenceStatus
from cameras.estate.site import Purpose, site
from city_backbone.geo import Point

SITE: dict[str, Any] = {
    "site_id": "park-0007",
    "name": "직동근린공원 정문",
    "purpose": Purpose.PARK,
    "position": Point(37.7381, 127.0338),
}
CAMERA: dict[str, Any] = {
    "camera_id": "park-0007-2",
    "site_id": "park-0007",
    "purpose": Purpose.PARK,
    "position": Point(37.7381, 127.0338),
    "heading_degrees": 0.0,
    "field_of_view_degrees": 360.0,
    "range_metres": 60.0,
    "retention_days": 30,
    "stream_address": "rtsp://10.20.7.2:554/ch1",
}


def test_good_ones() -> None:
    assert site(**SITE).name == "직동근린공원 정문"
    known = camera(**CAMERA)
    assert (known.retired, known.presence.status) == (False, PresenceStatus.UNKNOWN)
    assert camera(**{**CAMERA, "heading_degrees": None}).heading_degrees is None
    assert camera(**{**CAMERA, "stream_address": "rtsps://[fd00::7]/live?ch=2"})


def test_the_stream_address_is_not_shown_in_a_log() -> None:
    assert "10.20.7.2" not in repr(camera(**CAMERA))


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("site_id", "", "site_id"),
        ("site_id", "Park", "site_id"),
        ("site_id", "a" * 65, "site_id"),
        ("name", "", "name"),
        ("name", " x", "name"),
        ("name", "공" * 101, "name"),
        ("name", "a\nb", "name"),
        ("purpose", None, "purpose"),
        ("position", None, "position"),
        ("position", Point(90.1, 0), "position.latitude"),
        ("position", Point(0, math.nan), "position.longitude"),
    ],
)
def test_a_wrong_field_of_a_site_is_named(field: str, value: object, named: str) -> None:
    with pytest.raises(Invalid) as raised:
        site(**{**SITE, field: value})
    assert raised.value.field == named


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("camera_id", "공원", "expected 1 to 64 of a-z, 0-9 and hyphen, got '공원'"),
        ("site_id", "", "expected 1 to 64 of a-z, 0-9 and hyphen, got ''"),
        ("heading_degrees", 400.0, "expected 0 to below 360, got 400"),
        ("heading_degrees", 360.0, "expected 0 to below 360, got 360"),
        ("heading_degrees", -1.0, "expected 0 to below 360, got -1"),
        ("heading_degrees", math.nan, "expected 0 to below 360, got nan"),
        ("field_of_view_degrees", 0.0, "expected above 0 to 360, got 0"),
        ("field_of_view_degrees", 361.0, "expected above 0 to 360, got 361"),
        ("range_metres", 0.0, "expected above 0 to 10000, got 0"),
        ("range_metres", math.inf, "expected above 0 to 10000, got inf"),
        ("retention_days", 0, "expected 1 to 3650, got 0"),
        ("stream_address", "", "expected an rtsp or rtsps URL"),
        ("stream_address", "http://10.0.0.1/", "expected an rtsp or rtsps URL"),
        ("stream_address", "rtsp:///ch1", "expected an rtsp or rtsps URL"),
        ("stream_address", "rtsp://10.0.0.1:x/", "expected an rtsp or rtsps URL"),
        ("stream_address", "rtsp://10.0.0.1/a b", "expected an rtsp or rtsps URL, without spaces"),
        ("stream_address", "rtsp://h/" + "a" * 1000, "expected at most 1000 characters"),
    ],
)
def test_a_wrong_field_of_a_camera_is_named(field: str, value: object, expected: str) -> None:
    with pytest.raises(Invalid) as raised:
        camera(**{**CAMERA, field: value})
    assert (raised.value.field, raised.value.expected) == (field, expected)


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:geheim@10.0.0.1/ch1",
        "rtsp://geheim@10.0.0.1/ch1",
        "rtsp://10.0.0.1/ch1?User=admin&pwd=geheim",
        "rtsp://10.0.0.1/user=admin_password=geheim_channel=1",
        "rtsp://10.0.0.1/ch1?token=geheim",
    ],
)
def test_credentials_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(Invalid, match="without credentials") as raised:
        camera(**{**CAMERA, "stream_address": address})
    assert "geheim" not in str(raised.value)
