"""The code keeps what the registration and the protocol say, in every part of the department."""

import json
from pathlib import Path
from typing import Any

import parking
import pytest
from city.parking.v1 import (
    booking_pb2,
    ledger_pb2,
    lot_pb2,
    occupancy_pb2,
)
from city_backbone.contracts import RpcContract
from parking.bookings.booking import Status
from parking.ledger.split import Party
from parking.lots.fees import FeeKind
from parking.lots.terms import LotKind
from parking.occupancy.disagreement import Kind as DisputeKind
from parking.occupancy.status import BayStatus

ROOT = Path(__file__).parents[2]


class TestServices(RpcContract):
    root = Path(__file__).parents[2]
    package = parking


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
