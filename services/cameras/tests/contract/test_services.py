"""The code keeps what the registration and the protocol say, in every part of the department."""

import importlib
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cameras
import pytest
from cameras.estate.presence import PresenceStatus
from cameras.estate.site import Purpose
from city.cameras.v1 import (
    alarm_pb2,
    alarm_pb2_grpc,
    camera_pb2,
    camera_pb2_grpc,
    detection_pb2,
    detection_pb2_grpc,
    lease_pb2,
    lease_pb2_grpc,
)
from city_backbone.registration import load

REGISTRATION = load(Path(__file__).parents[2] / "service.yaml")
SERVICES: dict[str, tuple[Any, type[Any]]] = {
    name: (descriptor.services_by_name[name], getattr(grpc, f"{name}Servicer"))
    for name, descriptor, grpc in (
        ("AlarmService", alarm_pb2.DESCRIPTOR, alarm_pb2_grpc),
        ("CameraService", camera_pb2.DESCRIPTOR, camera_pb2_grpc),
        ("DetectionService", detection_pb2.DESCRIPTOR, detection_pb2_grpc),
        ("LeaseService", lease_pb2.DESCRIPTOR, lease_pb2_grpc),
    )
}
TOPIC = re.compile(r"(cameras|emergency|sensors)\.[a-z-]+\.v\d+")


def modules() -> list[ModuleType]:
    """All of the department's, whatever its parts call them."""
    return [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(cameras.__path__, "cameras.")
        if not found.name.endswith("__main__")
    ]


MODULES = modules()


def servicer_of(name: str) -> type[Any]:
    base = SERVICES[name][1]
    (found,) = (one for one in base.__subclasses__() if one.__module__.startswith("cameras."))
    implemented: type[Any] = found
    return implemented


@pytest.mark.parametrize(
    ("service", "method"),
    [(name, method.name) for name, (service, _) in SERVICES.items() for method in service.methods],
)
def test_every_method_is_implemented(service: str, method: str) -> None:
    assert method in vars(servicer_of(service))


def test_the_registration_names_what_the_protocol_has() -> None:
    assert list(REGISTRATION.serves) == [service.full_name for service, _ in SERVICES.values()]


@pytest.mark.parametrize("service", SERVICES)
def test_each_servicer_is_served_under_its_full_name(service: str) -> None:
    beside = vars(sys.modules[servicer_of(service).__module__]).values()
    assert SERVICES[service][0].full_name in [text for text in beside if isinstance(text, str)]


def test_the_code_names_the_topics_that_are_registered() -> None:
    named = {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, str) and TOPIC.fullmatch(value)
    }
    produced = {produced.topic for produced in REGISTRATION.produces}
    consumed = {consumed.topic for consumed in REGISTRATION.consumes}
    assert named == produced | consumed


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
