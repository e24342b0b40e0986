"""The gRPC contract and the code agree."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from city.cameras.v1 import camera_pb2, lease_pb2
from city.emergency.v1 import emergency_pb2 as pb
from city.emergency.v1.emergency_pb2_grpc import EmergencyServiceServicer
from city.health.v1 import person_pb2
from city.parking.v1 import vault_pb2
from city.sensors.v1 import sensors_pb2
from city_backbone import registration
from emergency import convert
from emergency.domain.context import ground
from emergency.domain.incident import Facts, Grade, Incident, Source, Status
from emergency.domain.scsns.linked import VIDEO_REQUESTS
from emergency.rpc import SERVICE, EmergencyServicer

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["EmergencyService"]


@pytest.mark.parametrize("method", [method.name for method in DESCRIPTOR.methods])
def test_every_method_is_implemented(method: str) -> None:
    assert getattr(EmergencyServicer, method) is not getattr(EmergencyServiceServicer, method)


def test_the_served_service_is_registered() -> None:
    registered = registration.load(Path(__file__).parents[2] / "service.yaml")
    assert registered.serves == (SERVICE,) == (DESCRIPTOR.full_name,)


def test_the_called_methods_are_registered_and_exist() -> None:
    registered = registration.load(Path(__file__).parents[2] / "service.yaml")
    assert set(registered.calls) == {
        f"{called.full_name}/{method}"
        for called, method in (
            (camera_pb2.DESCRIPTOR.services_by_name["CameraService"], "FindNear"),
            (lease_pb2.DESCRIPTOR.services_by_name["LeaseService"], "LeaseScene"),
            (person_pb2.DESCRIPTOR.services_by_name["PersonService"], "GetCase"),
            (vault_pb2.DESCRIPTOR.services_by_name["VaultService"], "FindBlockingVehicles"),
            (sensors_pb2.DESCRIPTOR.services_by_name["SensorsService"], "GetMap"),
        )
        if method in called.methods_by_name
    }


@pytest.mark.parametrize("kind", sorted(VIDEO_REQUESTS))
@pytest.mark.parametrize("grade", Grade)
def test_every_legal_ground_is_one_of_cameras(kind: str, grade: Grade) -> None:
    assert lease_pb2.LegalGround.Value(f"LEGAL_GROUND_{ground(kind, grade)}")


@pytest.mark.parametrize("code", [None, 0, 4])
def test_callers_see_code_desks_and_items(code: int | None) -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    facts = Facts(
        Grade.URGENT, "싸움", "", "", None, {"카메라": "x"}, police_code=code, desks=("119", "112")
    )
    one = Incident(UUID(int=1), "fight", Status.OCCURRED, facts, at, at, "x", Source("x", "1"))
    message = convert.incident(one)
    assert message.HasField("police_code") is (code is not None)
    assert message.police_code == (code or 0)
    assert (list(message.desks), dict(message.items)) == (["119", "112"], {"카메라": "x"})


def test_every_status_and_grade_has_its_number() -> None:
    statuses = {name for name in pb.IncidentStatus.keys() if not name.endswith("UNSPECIFIED")}  # noqa: SIM118
    assert statuses == {f"INCIDENT_STATUS_{status}" for status in Status}
    for name in statuses:
        assert f"INCIDENT_STATUS_{convert.status(pb.IncidentStatus.Value(name))}" == name
    for grade in Grade:
        assert convert.grade(pb.IncidentGrade.Value(f"INCIDENT_GRADE_{grade}")) is grade
