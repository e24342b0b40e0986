"""The code keeps what the registration and the protocol say, in every part of the department."""

import importlib
import json
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import parking
import pytest
from city.parking.v1 import (
    booking_pb2,
    booking_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    lot_pb2,
    lot_pb2_grpc,
    occupancy_pb2,
    occupancy_pb2_grpc,
    vault_pb2,
    vault_pb2_grpc,
)
from city_backbone.registration import load
from parking.bookings.booking import Status
from parking.ledger.split import Party
from parking.lots.fees import FeeKind
from parking.lots.terms import LotKind
from parking.occupancy.disagreement import Kind as DisputeKind
from parking.occupancy.status import BayStatus

ROOT = Path(__file__).parents[2]
REGISTRATION = load(ROOT / "service.yaml")
SERVICES: dict[str, tuple[Any, type[Any]]] = {
    name: (descriptor.services_by_name[name], getattr(grpc, f"{name}Servicer"))
    for name, descriptor, grpc in (
        ("BookingService", booking_pb2.DESCRIPTOR, booking_pb2_grpc),
        ("LedgerService", ledger_pb2.DESCRIPTOR, ledger_pb2_grpc),
        ("LotService", lot_pb2.DESCRIPTOR, lot_pb2_grpc),
        ("OccupancyService", occupancy_pb2.DESCRIPTOR, occupancy_pb2_grpc),
        ("VaultService", vault_pb2.DESCRIPTOR, vault_pb2_grpc),
    )
}
TOPIC = re.compile(r"(cameras|emergency|parking|sensors)\.[a-z-]+\.v\d+")


def modules() -> list[ModuleType]:
    """All of the department's, whatever its parts call them."""
    return [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(parking.__path__, "parking.")
        if not found.name.endswith("__main__")
    ]


MODULES = modules()


def servicer_of(name: str) -> type[Any]:
    base = SERVICES[name][1]
    (found,) = (one for one in base.__subclasses__() if one.__module__.startswith("parking."))
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
        (lot_pb2.LotKind, "LOT_KIND_", {member.name for member in LotKind}),
        (lot_pb2.FeeKind, "FEE_KIND_", {member.name for member in FeeKind}),
        (booking_pb2.BookingStatus, "BOOKING_STATUS_", {member.name for member in Status}),
        (ledger_pb2.Party, "PARTY_", {member.name for member in Party}),
        (occupancy_pb2.DisputeKind, "DISPUTE_KIND_", {member.name for member in DisputeKind}),
    ],
)
def test_enums_agree(enum: Any, prefix: str, names: set[str]) -> None:
    assert set(enum.keys()) == {f"{prefix}{name}" for name in names} | {f"{prefix}UNSPECIFIED"}


@pytest.mark.parametrize(
    ("schema", "field", "names"),
    [
        ("bay_status_changed.v1", "status", {member.name for member in BayStatus}),
        ("booking_changed.v1", "status", {member.name for member in Status}),
        ("dispute_opened.v1", "kind", {member.name for member in DisputeKind}),
        ("lot_occupancy_changed.v1", "kind", {member.name for member in LotKind}),
    ],
)
def test_the_schemas_know_every_word(schema: str, field: str, names: set[str]) -> None:
    fields = json.loads((ROOT / "events" / f"{schema}.avsc").read_text())["fields"]
    (found,) = (one["type"] for one in fields if one["name"] == field)
    assert set(found["symbols"]) == {"UNKNOWN", *names}
