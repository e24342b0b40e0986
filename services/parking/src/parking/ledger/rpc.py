"""city.parking.v1.LedgerService."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeAlias

import grpc.aio
from city.parking.v1 import ledger_pb2 as pb
from city.parking.v1 import ledger_pb2_grpc
from city_backbone.database import Connection, Database
from city_backbone.errors import FailedPrecondition
from city_backbone.idempotency import Idempotency
from city_backbone.rpc.once import Once

from parking.clock import seoul_day
from parking.ledger import messages, store
from parking.ledger.audit import verify
from parking.ledger.posting import owner_account
from parking.ledger.proof import prove
from parking.ledger.rules import Rules
from parking.ledger.split import SplitRule
from parking.messages import identity, name

NAME = "city.parking.v1.LedgerService"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """Raises the backbone's errors; its server makes statuses of them."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        rules: Rules,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._once = Once(database, idempotency)
        self._rules = rules
        self._clock = clock

    async def ListSplitRules(
        self, request: pb.ListSplitRulesRequest, context: Context
    ) -> pb.ListSplitRulesResponse:
        scheme = name("scheme", request.scheme) if request.scheme else ""
        async with self._database.transaction() as connection:
            known = await self._rules.all(connection, scheme)
        return pb.ListSplitRulesResponse(rules=[messages.rule_message(rule) for rule in known])

    async def PutSplitRule(
        self, request: pb.PutSplitRuleRequest, context: Context
    ) -> pb.PutSplitRuleResponse:
        rule = messages.rule(request.rule)

        async def effect(connection: Connection) -> pb.PutSplitRuleResponse:
            await self._must_be_possible(connection, rule)
            await self._rules.put(connection, rule)
            return pb.PutSplitRuleResponse(rule=messages.rule_message(rule))

        return await self._once(request, context, pb.PutSplitRuleResponse, effect)

    async def ListBalances(
        self, request: pb.ListBalancesRequest, context: Context
    ) -> pb.ListBalancesResponse:
        of: dict[str, Any] = {}
        match request.WhichOneof("of"):
            case "booking_id":
                of["booking_id"] = identity("booking_id", request.booking_id)
            case "lot_id":
                of["lot_id"] = name("lot_id", request.lot_id)
            case "owner_id":
                of["account"] = owner_account(identity("owner_id", request.owner_id))
        async with self._database.transaction() as connection:
            found = await store.balances(connection, **of)
        return pb.ListBalancesResponse(
            balances=[pb.Balance(account=account, balance_won=won) for account, won in found]
        )

    async def GetSettlementProof(
        self, request: pb.GetSettlementProofRequest, context: Context
    ) -> pb.GetSettlementProofResponse:
        booking_id = identity("booking_id", request.booking_id)
        owner_id = identity("owner_id", request.owner_id) if request.owner_id else None
        async with self._snapshot() as connection:
            proofs = await prove(connection, booking_id, owner_id)
        return pb.GetSettlementProofResponse(
            entries=[messages.proof_message(proof) for proof in proofs]
        )

    async def VerifyLedger(
        self, request: pb.VerifyLedgerRequest, context: Context
    ) -> pb.VerifyLedgerResponse:
        given = messages.seals(request.seals)
        async with self._snapshot() as connection:
            verdict = await verify(connection, given)
        return messages.verdict_message(verdict)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        """What is read is of one moment, though a day may be sealed meanwhile."""
        async with self._database.transaction() as connection:
            await connection.execute("set transaction isolation level repeatable read, read only")
            yield connection

    async def _must_be_possible(self, connection: Connection, rule: SplitRule) -> None:
        today = seoul_day(self._clock())
        if rule.valid_from <= today:
            raise FailedPrecondition(
                "IN_FORCE", f"rule.valid_from: expected a day after {today}, which is today"
            )
        if rule.owner_percent and await store.has_public_lots(connection, rule.scheme):
            raise FailedPrecondition(
                "NO_OWNER", f"rule.owner_percent: expected 0, {rule.scheme} has public lots"
            )
