"""What an act came to, so that a repeat of its idempotency key is told the same.

A refusal is an outcome too: it is committed with its entry in the register, and raised after.
"""

from typing import TypeVar

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo

from city_backbone.audit.act import REFUSALS, Refusal
from city_backbone.errors import BackboneError, InvalidArgument, NotFound

M = TypeVar("M", bound=Message)

_KINDS = {kind.__name__: kind for kind in REFUSALS}


def done(response: Message) -> Any:
    packed = Any()
    packed.Pack(response)
    return packed


def refused(refusal: Refusal) -> Any:
    return done(ErrorInfo(reason=type(refusal).__name__, metadata=_parts(refusal)))


def settle(outcome: Any, response_type: type[M]) -> M:
    """The response; raises the refusal."""
    info = ErrorInfo()
    if outcome.Unpack(info):
        raise _KINDS[info.reason](info.metadata["what"], info.metadata["words"])
    response = response_type()
    if not outcome.Unpack(response):
        raise BackboneError(f"stored outcome: expected {response_type.__name__}")
    return response


def _parts(refusal: Refusal) -> dict[str, str]:
    match refusal:
        case InvalidArgument():
            return {"what": refusal.field, "words": refusal.expected}
        case NotFound():
            return {"what": refusal.what, "words": refusal.name}
        case _:
            return {"what": refusal.reason, "words": str(refusal)}
