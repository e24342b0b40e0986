"""Each of our errors has its gRPC code and says what google.rpc's details can say."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from city_backbone import errors
from city_backbone.rpc.status import has_status, to_status
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2


def details(status: Any) -> dict[str, Any]:
    packed = status_pb2.Status.FromString(dict(status.trailing_metadata)["grpc-status-details-bin"])
    kinds: tuple[type[Message], ...] = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.ResourceInfo,
        error_details_pb2.RetryInfo,
    )
    found = {}
    for detail in packed.details:
        for kind in kinds:
            message = kind()
            if detail.Unpack(message):
                found[kind.__name__] = message
    return found


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (errors.InvalidArgument("a", "b"), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
        (errors.NotFound("station", "x"), grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
        (errors.FailedPrecondition("OLD", "m"), grpc.StatusCode.FAILED_PRECONDITION, "OLD"),
        (errors.Aborted("RACE", "m"), grpc.StatusCode.ABORTED, "RACE"),
        (errors.PermissionDenied("WHO", "m"), grpc.StatusCode.PERMISSION_DENIED, "WHO"),
        (errors.IdempotencyConflict("USED", "m"), grpc.StatusCode.ALREADY_EXISTS, "USED"),
        (errors.DatabaseUnavailable("m"), grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"),
        (errors.Overloaded("m"), grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"),
        (errors.NeighbourUnavailable("m"), grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"),
    ],
)
def test_the_code_follows_the_kind_and_the_reason_is_told(
    error: errors.BackboneError, code: grpc.StatusCode, reason: str
) -> None:
    status: Any = to_status(error, "probe")
    assert has_status(error)
    assert status.code is code
    assert status.details == str(error)
    info = details(status)["ErrorInfo"]
    assert (info.reason, info.domain) == (reason, "probe")


def test_a_wrong_field_is_named() -> None:
    status = to_status(errors.InvalidArgument("station.name", "expected 1 to 64"), "probe")
    (violation,) = details(status)["BadRequest"].field_violations
    assert (violation.field, violation.description) == ("station.name", "expected 1 to 64")


def test_what_is_missing_is_named() -> None:
    info = details(to_status(errors.NotFound("station", "s-1"), "probe"))["ResourceInfo"]
    assert (info.resource_type, info.resource_name) == ("station", "s-1")


def test_who_is_refused_for_now_is_told_when_to_come_again() -> None:
    told = details(to_status(errors.Overloaded("500 wait"), "probe"))["RetryInfo"]
    assert told.retry_delay.ToTimedelta() == timedelta(seconds=1)
    assert "RetryInfo" not in details(to_status(errors.DatabaseUnavailable("m"), "probe"))


@pytest.mark.parametrize(
    "error",
    [
        errors.BackboneError("inside"),
        errors.InvalidEvent("inside"),
        errors.SettingsError("inside"),
        errors.Undecodable("inside"),
        errors.Unreadable("inside"),
    ],
)
def test_what_is_our_own_fault_tells_nothing_of_the_inside(error: errors.BackboneError) -> None:
    status: Any = to_status(error, "probe")
    assert not has_status(error)
    assert status.code is grpc.StatusCode.INTERNAL
    assert "inside" not in repr(status)
