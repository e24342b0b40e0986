"""Calls of a department, repeated until it answers."""

from collections.abc import Awaitable
from typing import Protocol, TypeVar

import grpc
import structlog
from city_backbone.errors import Transient
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential
from tenacity.wait import wait_base

from loadtests.city.errors import RefusedError

_Request = TypeVar("_Request", contravariant=True)
_Answer = TypeVar("_Answer", covariant=True)
_log = structlog.get_logger(__name__)

_PERMANENT = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
BACKOFF = wait_random_exponential(multiplier=0.5, max=30)


class Rpc(Protocol[_Request, _Answer]):
    """A stub's method."""

    def __call__(self, request: _Request, /, *, timeout: float) -> Awaitable[_Answer]: ...


class Calls:
    """Calls of one department, each attempt within `deadline_seconds`, until it is answered."""

    def __init__(
        self, department: str, deadline_seconds: float, backoff: wait_base = BACKOFF
    ) -> None:
        self._department = department
        self._deadline = deadline_seconds
        self._backoff = backoff

    async def __call__(
        self, method: str, rpc: Rpc[_Request, _Answer], request: _Request
    ) -> _Answer:
        """The answer. Raises RefusedError for a refusal that would come again."""

        async def once() -> _Answer:
            return await rpc(request, timeout=self._deadline)

        def away(state: RetryCallState) -> None:
            if state.attempt_number.bit_count() > 1:
                return  # Attempts 1, 2, 4, 8 … are told of, not hundreds.
            error = state.outcome.exception() if state.outcome else None
            _log.warning(
                f"{self._department}-away",
                method=method,
                attempt=state.attempt_number,
                **why(error),
            )

        retrying = AsyncRetrying(
            retry=retry_if_exception(is_transient),
            wait=self._backoff,
            before_sleep=away,
            reraise=True,
        )
        try:
            return await retrying(once)
        except grpc.aio.AioRpcError as error:
            raise RefusedError(
                self._department, method, error.code(), str(error.details())
            ) from error


def is_transient(error: BaseException) -> bool:
    """Whether the same call may be answered later."""
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code() not in _PERMANENT
    return isinstance(error, Transient)


def why(error: BaseException | None) -> dict[str, str]:
    """Log fields of a failed attempt."""
    if isinstance(error, grpc.aio.AioRpcError):
        return {"code": error.code().name, "reason": str(error.details())}
    return {"code": type(error).__name__, "reason": str(error)}


def reason(error: RefusedError) -> str:
    """The refusal's word for programs, as BAY_TAKEN; the code's name where it has none."""
    cause = error.__cause__
    if isinstance(cause, grpc.aio.AioRpcError):
        status = rpc_status.from_call(cause)
        for detail in status.details if status is not None else ():
            info = ErrorInfo()
            if detail.Unpack(info) and info.reason:
                return str(info.reason)
    return error.code.name
