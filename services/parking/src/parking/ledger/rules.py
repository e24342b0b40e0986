"""Split rules in PostgreSQL. What is in force is never changed; a new ledger has seeds."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from city_backbone.database import Connection

from parking.ledger.split import Party, RefundStep, SplitRule

_COLUMNS = (
    "scheme, valid_from, owner_percent, operator_percent, district_percent, remainder_to,"
    " refunds, overstay_percent"
)


class Rules:
    """Of all schemes. One that has no rule yet gets its seeds when a rule is first asked for."""

    def __init__(self, seeds: Sequence[SplitRule]) -> None:
        self._seeds = seeds
        self._seeded = False

    async def in_force(self, connection: Connection, scheme: str, day: date) -> SplitRule | None:
        """On `day` in Seoul; None when the scheme has none then."""
        await self.seed(connection)
        found = await connection.execute(
            f"select {_COLUMNS} from split_rule where scheme = %s and valid_from <= %s"
            " order by valid_from desc limit 1",
            (scheme, day),
        )
        row = await found.fetchone()
        return _rule(row) if row else None

    async def all(self, connection: Connection, scheme: str = "") -> list[SplitRule]:
        """Of one scheme or of all, each oldest first."""
        await self.seed(connection)
        found = await connection.execute(
            f"select {_COLUMNS} from split_rule where %s in ('', scheme)"
            " order by scheme, valid_from",
            (scheme,),
        )
        return [_rule(row) for row in await found.fetchall()]

    async def put(self, connection: Connection, rule: SplitRule) -> None:
        """In place of one of the same day, which must not be in force yet."""
        await self.seed(connection)
        await _insert(
            connection,
            rule,
            "(scheme, valid_from) do update set owner_percent = excluded.owner_percent,"
            " operator_percent = excluded.operator_percent,"
            " district_percent = excluded.district_percent,"
            " remainder_to = excluded.remainder_to, refunds = excluded.refunds,"
            " overstay_percent = excluded.overstay_percent",
        )

    async def seed(self, connection: Connection) -> None:
        """Once it is found done it is not looked at again; this transaction may be rolled back."""
        if self._seeded:
            return
        found = await connection.execute("select distinct scheme from split_rule")
        known = {row["scheme"] for row in await found.fetchall()}
        missing = [rule for rule in self._seeds if rule.scheme not in known]
        for rule in missing:
            await _insert(connection, rule, "do nothing")
        self._seeded = not missing


async def _insert(connection: Connection, rule: SplitRule, conflict: str) -> None:
    await connection.execute(
        f"insert into split_rule ({_COLUMNS}) values (%s, %s, %s, %s, %s, %s, %s::jsonb, %s)"
        f" on conflict {conflict}",
        (
            rule.scheme,
            rule.valid_from,
            rule.owner_percent,
            rule.operator_percent,
            rule.district_percent,
            rule.remainder_to,
            json.dumps([[step.notice_minutes, step.percent] for step in rule.refunds]),
            rule.overstay_percent,
        ),
    )


def _rule(row: dict[str, Any]) -> SplitRule:
    return SplitRule(
        **{
            **row,
            "remainder_to": Party(row["remainder_to"]),
            "refunds": tuple(RefundStep(notice, percent) for notice, percent in row["refunds"]),
        }
    )
