"""What an operator does at the control centre's desk, by RPC."""

from typing import TYPE_CHECKING, TypeAlias

import grpc
from city.cameras.v1 import alarm_pb2

from loadtests.city.calls import Calls
from loadtests.city.cameras.kinds import Kind
from loadtests.city.cameras.wire import KINDS, idempotency_key
from loadtests.city.errors import RefusedError

if TYPE_CHECKING:
    from city.cameras.v1.alarm_pb2_grpc import AlarmServiceAsyncStub

    Alarms: TypeAlias = AlarmServiceAsyncStub


class Desk:
    """One operator's account. A repeated act is the same act."""

    def __init__(self, alarms: "Alarms", calls: Calls, operator: str) -> None:
        self._alarms = alarms
        self._call = calls
        self._operator = operator

    async def alarms_of(self, site_id: str, kind: Kind | None = None) -> list[alarm_pb2.Alarm]:
        """The newest hundred alarms of a site."""
        request = alarm_pb2.ListAlarmsRequest(site_id=site_id)
        if kind is not None:
            request.kind = KINDS[kind]
        answer = await self._call("ListAlarms", self._alarms.ListAlarms, request)
        return list(answer.alarms)

    async def acknowledge(self, alarm_id: str) -> bool:
        """Look at it; False when it was dismissed or escalated before."""
        request = alarm_pb2.AcknowledgeAlarmRequest(
            idempotency_key=self._key("acknowledge", alarm_id),
            alarm_id=alarm_id,
            operator=self._operator,
        )
        try:
            await self._call("AcknowledgeAlarm", self._alarms.AcknowledgeAlarm, request)
        except RefusedError as error:
            return _came_too_late(error)
        return True

    async def dismiss(self, alarm_id: str, reason: str) -> bool:
        """It was nothing; False when it was escalated before."""
        request = alarm_pb2.DismissAlarmRequest(
            idempotency_key=self._key("dismiss", alarm_id),
            alarm_id=alarm_id,
            operator=self._operator,
            reason=reason,
        )
        try:
            await self._call("DismissAlarm", self._alarms.DismissAlarm, request)
        except RefusedError as error:
            return _came_too_late(error)
        return True

    async def escalate(self, alarm_id: str, reason: str) -> bool:
        """To the emergency department; False when it was dismissed before."""
        request = alarm_pb2.EscalateAlarmRequest(
            idempotency_key=self._key("escalate", alarm_id),
            alarm_id=alarm_id,
            operator=self._operator,
            reason=reason,
        )
        try:
            await self._call("EscalateAlarm", self._alarms.EscalateAlarm, request)
        except RefusedError as error:
            return _came_too_late(error)
        return True

    def _key(self, act: str, alarm_id: str) -> str:
        return idempotency_key(act, alarm_id, self._operator)


def _came_too_late(error: RefusedError) -> bool:
    """False for an act that the alarm's state does not allow any more; else raises."""
    if error.code is not grpc.StatusCode.FAILED_PRECONDITION:
        raise error
    return False
