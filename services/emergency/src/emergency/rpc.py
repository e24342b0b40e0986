"""city.emergency.v1.EmergencyService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from city.emergency.v1 import emergency_pb2 as pb
from city.emergency.v1 import emergency_pb2_grpc as stubs
from city_backbone.database import Connection, Database
from city_backbone.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.identity import caller
from city_backbone.rpc.paging import page_size, page_token, parse_page_token
from city_backbone.rpc.watch import follow

from emergency import convert, handlers, store, store_rooms
from emergency.domain.incident import Incident, Status
from emergency.errors import TransitionRefused
from emergency.ledger import Ledger, incident_id

SERVICE = "city.emergency.v1.EmergencyService"
_WATCH_BATCH = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class EmergencyServicer(stubs.EmergencyServiceServicer):
    """Questions and commands of other departments; errors are the backbone's."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        ledger: Ledger,
        stopping: asyncio.Event,
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._ledger = ledger
        self._stopping = stopping

    async def ReportIncident(
        self, request: pb.ReportIncidentRequest, context: Any
    ) -> pb.ReportIncidentResponse:
        kind = convert.kind(request.kind)
        facts, occurred_at = convert.reported(request), convert.occurred_at(request)
        name = caller(context)
        async with self._database.transaction() as connection:

            async def effect() -> pb.ReportIncidentResponse:
                identity = incident_id("report", name, UUID(request.idempotency_key))
                opened = await handlers.report(
                    connection, self._ledger, identity, kind, facts, occurred_at, name
                )
                return pb.ReportIncidentResponse(incident=await _whole(connection, opened))

            return await self._idempotency.run(
                connection,
                key=request.idempotency_key,
                method="ReportIncident",
                caller=name,
                request=request,
                response_type=pb.ReportIncidentResponse,
                effect=effect,
            )

    async def UpdateIncident(
        self, request: pb.UpdateIncidentRequest, context: Any
    ) -> pb.UpdateIncidentResponse:
        identity, status = convert.incident_id(request.incident_id), convert.status(request.status)
        grade = convert.grade(request.grade)
        description = convert.text("description", request.description, 4000)
        if status is Status.CHANGED and grade is None and not description:
            raise InvalidArgument("description", "expected it or a grade: CHANGED changes nothing")
        if request.expected_revision < 0:
            raise InvalidArgument("expected_revision", "expected a revision from 1, or 0 for any")
        name = caller(context)
        async with self._database.transaction() as connection:

            async def effect() -> pb.UpdateIncidentResponse:
                known = (await store.lock(connection, [identity])).get(identity)
                if known is None:
                    raise NotFound("incident", request.incident_id)
                if request.expected_revision not in (0, known.revision):
                    raise Aborted(
                        "REVISION_MISMATCH",
                        f"expected_revision: the newest revision is {known.revision}",
                    )
                try:
                    changed = await handlers.update(
                        connection, self._ledger, known, status, grade, description, name
                    )
                except TransitionRefused as error:
                    raise FailedPrecondition("LIFE_CYCLE", f"status: {error}") from error
                return pb.UpdateIncidentResponse(incident=await _whole(connection, changed))

            return await self._idempotency.run(
                connection,
                key=request.idempotency_key,
                method="UpdateIncident",
                caller=name,
                request=request,
                response_type=pb.UpdateIncidentResponse,
                effect=effect,
            )

    async def GetIncident(
        self, request: pb.GetIncidentRequest, context: Any
    ) -> pb.GetIncidentResponse:
        identity = convert.incident_id(request.incident_id)
        async with self._database.transaction() as connection:
            known = await store.find(connection, identity)
            if known is None:
                raise NotFound("incident", request.incident_id)
            return pb.GetIncidentResponse(incident=await _whole(connection, known))

    async def ListIncidents(
        self, request: pb.ListIncidentsRequest, context: Any
    ) -> pb.ListIncidentsResponse:
        statuses = [convert.status(value, "statuses") for value in request.statuses]
        kind = convert.kind(request.kind) if request.kind else ""
        size, before = page_size(request.page_size), _before(request.page_token)
        async with self._database.transaction() as connection:
            found = await store.newest(connection, statuses, kind, before, size + 1)
        page = found[:size]
        return pb.ListIncidentsResponse(
            incidents=[convert.incident(one) for one in page],
            next_page_token=_after(page[-1]) if len(found) > size else "",
        )

    async def WatchIncidents(
        self, request: pb.WatchIncidentsRequest, context: Any
    ) -> AsyncIterator[pb.WatchIncidentsResponse]:
        cursor = await self._cursor(request.cursor)
        async for change, one in follow(self._changes, cursor, self._stopping):
            yield pb.WatchIncidentsResponse(incident=convert.incident(one), cursor=str(change))

    async def _changes(self, cursor: int) -> Sequence[tuple[int, Incident]]:
        async with self._database.transaction() as connection:
            return await store.changes_after(connection, cursor, _WATCH_BATCH)

    async def _cursor(self, text: str) -> int:
        if not text:
            async with self._database.transaction() as connection:
                return await store.last_change(connection)
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise InvalidArgument("cursor", "expected a cursor of an earlier answer, or 0")
        return int(text)


async def _whole(connection: Connection, one: Incident) -> pb.Incident:
    """With history and deliveries."""
    return convert.incident(
        one,
        await store.history(connection, one.id),
        await store_rooms.deliveries(connection, one.id),
    )


def _after(one: Incident) -> str:
    return page_token([(one.occurred_at - _EPOCH) // _MICROSECOND, str(one.id)])


def _before(token: str) -> tuple[datetime, UUID] | None:
    match parse_page_token(token):
        case []:
            return None
        case [int(micros), str(identity)]:
            try:
                return _EPOCH + micros * _MICROSECOND, UUID(identity)
            except (ValueError, OverflowError):
                pass
    raise InvalidArgument("page_token", "expected a next_page_token of an earlier answer")
