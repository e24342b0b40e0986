"""The code keeps what the registration and the protocol say, in every part of the department."""

from pathlib import Path
from typing import Any

import health
import pytest
from city.health.v1 import kiosk_pb2, person_pb2
from city_backbone.contracts import RpcContract
from health.assessment.rules import Level
from health.measuring.measurement import Code
from health.people.follow_up import Kind
from health.people.person import Group, Purpose


class TestServices(RpcContract):
    root = Path(__file__).parents[2]
    package = health


@pytest.mark.parametrize(
    ("enum", "prefix", "names"),
    [
        (kiosk_pb2.MeasurementCode, "MEASUREMENT_CODE_", {member.name for member in Code}),
        (kiosk_pb2.AdviceLevel, "ADVICE_LEVEL_", {member.name for member in Level}),
        (person_pb2.ConsentPurpose, "CONSENT_PURPOSE_", {member.name for member in Purpose}),
        (person_pb2.VulnerableGroup, "VULNERABLE_GROUP_", {member.name for member in Group}),
        (person_pb2.FollowUpKind, "FOLLOW_UP_KIND_", {member.name for member in Kind}),
    ],
)
def test_enums_agree(enum: Any, prefix: str, names: set[str]) -> None:
    assert set(enum.keys()) == {f"{prefix}{name}" for name in names} | {f"{prefix}UNSPECIFIED"}


def test_advice_is_numbered_as_in_the_protocol() -> None:
    """It is sent as a number."""
    numbers = {f"ADVICE_LEVEL_{level.name}": int(level) for level in Level}
    assert {**numbers, "ADVICE_LEVEL_UNSPECIFIED": 0} == dict(kiosk_pb2.AdviceLevel.items())
