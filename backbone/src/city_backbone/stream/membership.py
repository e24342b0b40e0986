"""A static member of a consumer group whose place another process has taken."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import CommitFailedError, KafkaConnectionError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest

_UNKNOWN_MEMBER, _FENCED = 25, 82  # Kafka's error codes
# The coordinator counts a member's session from these.
_MEMBERS = (HeartbeatRequest, JoinGroupRequest, SyncGroupRequest)


class Membership:
    """Tells when a static member's place was taken, and then asks the coordinator nothing more.

    aiokafka does not send the member's name with heartbeats and commits, so whoever's place was
    taken is told that it is unknown, like one whose session ran out, and joins again: two
    processes of one name would take it from each other for ever, both handling the same
    partitions. A member that was known half a session ago cannot have run out.
    """

    def __init__(self, coordinator: Any, session_seconds: float) -> None:
        self._coordinator = coordinator
        self._recently = session_seconds / 2
        self._send: Callable[[Any], Awaitable[Any]] = coordinator._send_req
        self._known_at = float("-inf")
        self.lost = False
        coordinator._send_req = self.ask

    async def ask(self, request: Any) -> Any:
        """The coordinator's answer; once the place is lost none comes until the consumer closes.

        Raises CommitFailedError for a commit then, else KafkaConnectionError.
        """
        member = self._coordinator.member_id
        if not self.lost:
            answer = await self._send(request)
            codes = _codes(request, answer)
            unknown = _UNKNOWN_MEMBER in codes and member == self._coordinator.member_id != ""
            recently = time.monotonic() - self._known_at < self._recently
            if _FENCED in codes or (unknown and recently):
                self.lost = True
            else:
                if codes == {0} and isinstance(request, _MEMBERS):
                    self._known_at = time.monotonic()
                return answer
        if isinstance(request, OffsetCommitRequest):
            raise CommitFailedError("this member's place in its group was taken")
        await asyncio.wait([self._coordinator._closing])
        raise KafkaConnectionError("this member's place in its group was taken")


def _codes(request: Any, answer: Any) -> set[int]:
    if isinstance(request, OffsetCommitRequest) and answer:
        return {code for _, partitions in answer.topics for _, code in partitions}
    return {getattr(answer, "error_code", 0)}
