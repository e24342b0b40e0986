"""city.cameras.v1.AlarmService."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from city.cameras.v1 import alarm_pb2 as pb
from city.cameras.v1 import alarm_pb2_grpc as stubs
from city_backbone.database import Database
from city_backbone.errors import FailedPrecondition, InvalidArgument, NotFound
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.identity import caller
from city_backbone.rpc.paging import page_size, page_token, parse_page_token
from city_backbone.rpc.watch import follow

from cameras.alarms import messages, store, store_rules
from cameras.alarms.alarm import Alarm
from cameras.alarms.errors import TransitionRefused
from cameras.alarms.ledger import Ledger
from cameras.alarms.rulebook import instant, micros
from cameras.alarms.rules import RuleSet, check
from cameras.errors import Invalid

SERVICE = "city.cameras.v1.AlarmService"
_WATCH_BATCH = 500
# Every replica must know a new set before its time: see store_rules.KNOWN_SECONDS, and
# detections may be some seconds ahead of our clock.
_AHEAD = timedelta(seconds=10)

M = TypeVar("M", pb.AcknowledgeAlarmResponse, pb.DismissAlarmResponse, pb.EscalateAlarmResponse)


class AlarmServicer(stubs.AlarmServiceServicer):
    """What operators see and do; errors are the backbone's."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        ledger: Ledger,
        watch_every_seconds: float,
        stopping: asyncio.Event,
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._ledger = ledger
        self._watch_every_seconds = watch_every_seconds
        self._stopping = stopping

    async def GetAlarm(self, request: pb.GetAlarmRequest, context: Any) -> pb.GetAlarmResponse:
        identity = messages.alarm_id(request.alarm_id)
        async with self._database.transaction() as connection:
            known = await store.find(connection, identity)
        if known is None:
            raise NotFound("alarm", request.alarm_id)
        return pb.GetAlarmResponse(alarm=messages.alarm_message(known))

    async def ListAlarms(
        self, request: pb.ListAlarmsRequest, context: Any
    ) -> pb.ListAlarmsResponse:
        statuses, kind = messages.statuses(request.statuses), messages.kind(request.kind)
        site_id = messages.text("site_id", request.site_id, 64, required=False)
        size, before = page_size(request.page_size), _before(request.page_token)
        async with self._database.transaction() as connection:
            found = await store.newest(connection, statuses, site_id, kind, before, size + 1)
        page = found[:size]
        return pb.ListAlarmsResponse(
            alarms=[messages.alarm_message(one) for one in page],
            next_page_token=_after(page[-1]) if len(found) > size else "",
        )

    async def WatchAlarms(
        self, request: pb.WatchAlarmsRequest, context: Any
    ) -> AsyncIterator[pb.WatchAlarmsResponse]:
        cursor = await self._cursor(request.cursor)
        async for change, one in follow(
            self._changes, cursor, self._stopping, self._watch_every_seconds
        ):
            yield pb.WatchAlarmsResponse(alarm=messages.alarm_message(one), cursor=str(change))

    async def AcknowledgeAlarm(
        self, request: pb.AcknowledgeAlarmRequest, context: Any
    ) -> pb.AcknowledgeAlarmResponse:
        operator = messages.account(request.operator)

        def acknowledge(alarm: Alarm, now: datetime) -> Alarm:
            return alarm.acknowledged(operator, now)

        return await self._act(request, context, pb.AcknowledgeAlarmResponse, acknowledge)

    async def DismissAlarm(
        self, request: pb.DismissAlarmRequest, context: Any
    ) -> pb.DismissAlarmResponse:
        operator = messages.account(request.operator)
        reason = messages.text("reason", request.reason, 500)

        def dismiss(alarm: Alarm, now: datetime) -> Alarm:
            return alarm.dismissed(operator, reason, now)

        return await self._act(request, context, pb.DismissAlarmResponse, dismiss)

    async def EscalateAlarm(
        self, request: pb.EscalateAlarmRequest, context: Any
    ) -> pb.EscalateAlarmResponse:
        operator = messages.account(request.operator)
        reason = messages.text("reason", request.reason, 500, required=False)

        def escalate(alarm: Alarm, now: datetime) -> Alarm:
            return alarm.escalated(operator, reason, now)

        return await self._act(request, context, pb.EscalateAlarmResponse, escalate)

    async def GetRuleSet(
        self, request: pb.GetRuleSetRequest, context: Any
    ) -> pb.GetRuleSetResponse:
        at = messages.moment(request.at, "at") if request.HasField("at") else datetime.now(UTC)
        async with self._database.transaction() as connection:
            book = await store_rules.read(connection)
        found = book.in_force(at)
        if found is None:
            first = book.sets[0].effective_from
            raise InvalidArgument("at", f"expected from {first.isoformat()} on")
        return pb.GetRuleSetResponse(rule_set=messages.rule_set_message(found))

    async def PutRuleSet(
        self, request: pb.PutRuleSetRequest, context: Any
    ) -> pb.PutRuleSetResponse:
        async with self._database.transaction() as connection:

            async def effect() -> pb.PutRuleSetResponse:
                last = (await store_rules.lock(connection)).sets[-1]
                new = messages.rule_set(request.rule_set, last.version + 1)
                try:
                    check(new, last)
                except Invalid as error:
                    raise InvalidArgument(error.field, error.expected) from error
                _check_time(new, last, datetime.now(UTC))
                await store_rules.add(connection, new)
                return pb.PutRuleSetResponse(rule_set=messages.rule_set_message(new))

            return await self._idempotency.run(
                connection,
                key=request.idempotency_key,
                method="PutRuleSet",
                caller=caller(context),
                request=request,
                response_type=pb.PutRuleSetResponse,
                effect=effect,
            )

    async def _act(
        self,
        request: pb.AcknowledgeAlarmRequest | pb.DismissAlarmRequest | pb.EscalateAlarmRequest,
        context: Any,
        response_type: type[M],
        act: Callable[[Alarm, datetime], Alarm],
    ) -> M:
        """Move one alarm on; who repeats it, or is second with the same, gets it as it is."""
        identity = messages.alarm_id(request.alarm_id)
        async with self._database.transaction() as connection:

            async def effect() -> M:
                known = (await store.lock(connection, [identity])).get(identity)
                if known is None:
                    raise NotFound("alarm", request.alarm_id)
                try:
                    changed = act(known, datetime.now(UTC))
                except TransitionRefused as error:
                    raise FailedPrecondition("LIFE_CYCLE", f"alarm_id: {error}") from error
                await self._ledger.record(connection, [(known, changed)])
                return response_type(alarm=messages.alarm_message(changed))

            return await self._idempotency.run(
                connection,
                key=request.idempotency_key,
                method=type(request).DESCRIPTOR.name.removesuffix("Request"),
                caller=caller(context),
                request=request,
                response_type=response_type,
                effect=effect,
            )

    async def _changes(self, cursor: int) -> Sequence[tuple[int, Alarm]]:
        async with self._database.transaction() as connection:
            return await store.changes_after(connection, cursor, _WATCH_BATCH)

    async def _cursor(self, text: str) -> int:
        if not text:
            async with self._database.transaction() as connection:
                return await store.last_change(connection)
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise InvalidArgument("cursor", "expected a cursor of an earlier answer, or 0")
        return int(text)


def _check_time(new: RuleSet, last: RuleSet, now: datetime) -> None:
    earliest = max(now + _AHEAD, last.effective_from + timedelta(microseconds=1))
    if new.effective_from < earliest:
        raise FailedPrecondition(
            "EFFECTIVE_FROM",
            f"rule_set.effective_from: expected {earliest.isoformat()} or later: after version"
            f" {last.version}, and {_AHEAD.seconds} s ahead of now, so that every replica knows it",
        )


def _after(one: Alarm) -> str:
    return page_token([micros(one.occurred_at), str(one.id)])


def _before(token: str) -> tuple[datetime, UUID] | None:
    match parse_page_token(token):
        case []:
            return None
        case [int(at), str(identity)]:
            try:
                return instant(at), UUID(identity)
            except (ValueError, OverflowError):
                pass
    raise InvalidArgument("page_token", "expected a next_page_token of an earlier answer")
