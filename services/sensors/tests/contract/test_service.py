"""The code keeps what the registration and the protocol say."""

from pathlib import Path

import pytest
import sensors
from city.sensors.v1 import sensors_pb2 as pb
from city_backbone.contracts import RpcContract
from sensors import messages
from sensors.domain.alert import RULES
from sensors.domain.pollutant import Pollutant
from sensors.domain.quality import Reason
from sensors.domain.station import StationKind
from sensors.ingest import Status


class TestServices(RpcContract):
    root = Path(__file__).parents[2]
    package = sensors


@pytest.mark.parametrize(
    ("enum", "prefix", "names"),
    [
        (pb.Pollutant, "POLLUTANT_", {member.name for member in Pollutant}),
        (pb.StationKind, "STATION_KIND_", {member.name for member in StationKind}),
        (pb.ReadingStatus, "READING_STATUS_", {member.name for member in Status}),
        (pb.ProblemReason, "PROBLEM_REASON_", {member.name for member in Reason}),
        (pb.AlertLevel, "ALERT_LEVEL_", {"ADVISORY", "WARNING", "LIFTED"}),
        (pb.Grade, "GRADE_", {"GOOD", "MODERATE", "BAD", "VERY_BAD"}),
    ],
)
def test_enums_agree(enum: object, prefix: str, names: set[str]) -> None:
    expected = {f"{prefix}{name}" for name in names} | {f"{prefix}UNSPECIFIED"}
    assert set(enum.keys()) == expected  # type: ignore[attr-defined]


def test_alerts_have_rules_for_what_the_public_notice_names() -> None:
    assert {pollutant.name for pollutant in RULES} == {"PM10", "PM25", "O3"}
    assert messages.pollutant_message(Pollutant.PM25) == pb.POLLUTANT_PM25
