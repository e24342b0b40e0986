"""The gRPC contract and the code agree."""

from pathlib import Path

import pytest
from city.emergency.v1 import emergency_pb2 as pb
from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceServicer
from city_backbone import registration
from emergency import convert
from emergency.domain.incident import Grade, Status
from emergency.rpc import SERVICE, EmergencyServicer

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["EmergencyService"]


@pytest.mark.parametrize("method", [method.name for method in DESCRIPTOR.methods])
def test_every_method_is_implemented(method: str) -> None:
    assert getattr(EmergencyServicer, method) is not getattr(EmergencyServiceServicer, method)


def test_the_served_service_is_registered() -> None:
    registered = registration.load(Path(__file__).parents[2] / "service.yaml")
    assert registered.serves == (SERVICE,) == (DESCRIPTOR.full_name,)


def test_every_status_and_grade_has_its_number() -> None:
    statuses = {name for name in pb.IncidentStatus.keys() if not name.endswith("UNSPECIFIED")}  # noqa: SIM118
    assert statuses == {f"INCIDENT_STATUS_{status}" for status in Status}
    for name in statuses:
        assert f"INCIDENT_STATUS_{convert.status(pb.IncidentStatus.Value(name))}" == name
    for grade in Grade:
        assert convert.grade(pb.IncidentGrade.Value(f"INCIDENT_GRADE_{grade}")) is grade
