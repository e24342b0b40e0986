"""The code keeps what the registration and the protocol say, in every part of the department."""

from pathlib import Path
from typing import Any

import cameras
import pytest
from cameras.estate.presence import PresenceStatus
from cameras.estate.site import Purpose
from city.cameras.v1 import (
    camera_pb2,
)
from city_backbone.contracts import RpcContract


class TestServices(RpcContract):
    root = Path(__file__).parents[2]
    package = cameras


@pytest.mark.parametrize(
    ("enum", "prefix", "names"),
    [
        (camera_pb2.Purpose, "PURPOSE_", {member.name for member in Purpose}),
        (
            camera_pb2.PresenceStatus,
            "PRESENCE_STATUS_",
            {member.name for member in PresenceStatus},
        ),
    ],
)
def test_enums_agree(enum: Any, prefix: str, names: set[str]) -> None:
    assert set(enum.keys()) == {f"{prefix}{name}" for name in names} | {f"{prefix}UNSPECIFIED"}
