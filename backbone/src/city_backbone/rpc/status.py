"""Our exceptions as gRPC statuses with google.rpc error details."""

from datetime import timedelta

from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from city_backbone import errors

_CODES: tuple[tuple[type[errors.BackboneError], int, str], ...] = (
    (errors.InvalidArgument, code_pb2.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
    (errors.NotFound, code_pb2.NOT_FOUND, "NOT_FOUND"),
    (errors.FailedPrecondition, code_pb2.FAILED_PRECONDITION, "FAILED_PRECONDITION"),
    (errors.Aborted, code_pb2.ABORTED, "ABORTED"),
    (errors.PermissionDenied, code_pb2.PERMISSION_DENIED, "PERMISSION_DENIED"),
    (errors.IdempotencyConflict, code_pb2.ALREADY_EXISTS, "ALREADY_EXISTS"),
    (errors.Overloaded, code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED"),
    (errors.Transient, code_pb2.UNAVAILABLE, "UNAVAILABLE"),
)


def has_status(error: Exception) -> bool:
    """Whether callers are told what it is; any other is a fault of ours."""
    return any(isinstance(error, kind) for kind, _, _ in _CODES)


def to_status(error: errors.BackboneError, domain: str) -> object:
    """A grpc.Status: the code of the error's kind, ErrorInfo, for a field BadRequest, for what
    may be sent again later RetryInfo.

    What we do not know is INTERNAL, and says nothing of its inside.
    """
    known = next((entry for entry in _CODES if isinstance(error, entry[0])), None)
    if known is None:
        internal = status_pb2.Status(code=code_pb2.INTERNAL, message="internal error")
        return rpc_status.to_status(internal)
    _, code, reason = known
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=getattr(error, "reason", reason), domain=domain)
    ]
    if isinstance(error, errors.InvalidArgument):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.expected
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, errors.NotFound):
        details.append(
            error_details_pb2.ResourceInfo(resource_type=error.what, resource_name=error.name)
        )
    if isinstance(error, errors.Overloaded):
        delay = error_details_pb2.RetryInfo()
        delay.retry_delay.FromTimedelta(timedelta(seconds=error.retry_after_seconds))
        details.append(delay)
    packed = []
    for detail in details:
        any_ = any_pb2.Any()
        any_.Pack(detail)
        packed.append(any_)
    return rpc_status.to_status(status_pb2.Status(code=code, message=str(error), details=packed))
