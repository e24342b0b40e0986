"""Between the protocol's messages and the domain. Raises InvalidArgument naming the field."""

import re
from collections.abc import Sequence
from datetime import date

from city.parking.v1 import ledger_pb2 as pb
from city_backbone.errors import InvalidArgument

from parking.errors import Invalid
from parking.ledger.proof import Proof
from parking.ledger.seal import Seal
from parking.ledger.split import MAX_STEPS, Party, RefundStep, SplitRule
from parking.ledger.verdict import Given, Verdict
from parking.messages import moment, name, timestamp

_MAX_SEALS = 4_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HASH = re.compile(r"[0-9a-f]{64}")
_PARTIES: dict[int, Party] = {pb.Party.Value(f"PARTY_{party}"): party for party in Party}


def rule(message: pb.SplitRule) -> SplitRule:
    if len(message.refunds) > MAX_STEPS:
        raise InvalidArgument("rule.refunds", f"expected at most {MAX_STEPS}")
    if message.remainder_to not in _PARTIES:
        raise InvalidArgument("rule.remainder_to", f"expected one of {', '.join(Party)}")
    steps = tuple(RefundStep(step.notice_minutes, step.percent) for step in message.refunds)
    try:
        return SplitRule(
            name("rule.scheme", message.scheme),
            _day("rule.valid_from", message.valid_from),
            message.owner_percent,
            message.operator_percent,
            message.district_percent,
            _PARTIES[message.remainder_to],
            steps,
            message.overstay_percent,
        )
    except Invalid as error:
        raise InvalidArgument(f"rule.{error.field}", error.expected) from None


def rule_message(known: SplitRule) -> pb.SplitRule:
    return pb.SplitRule(
        scheme=known.scheme,
        valid_from=known.valid_from.isoformat(),
        owner_percent=known.owner_percent,
        operator_percent=known.operator_percent,
        district_percent=known.district_percent,
        remainder_to=pb.Party.Value(f"PARTY_{known.remainder_to}"),
        refunds=[
            pb.RefundStep(notice_minutes=step.notice_minutes, percent=step.percent)
            for step in known.refunds
        ],
        overstay_percent=known.overstay_percent,
    )


def seals(messages: Sequence[pb.Seal]) -> list[Given]:
    """Of each its day and hash, and its time when given."""
    if len(messages) > _MAX_SEALS:
        raise InvalidArgument("seals", f"expected at most {_MAX_SEALS}, got {len(messages)}")
    return [_given(f"seals[{place}]", message) for place, message in enumerate(messages)]


def seal_message(known: Seal) -> pb.Seal:
    return pb.Seal(
        day=known.day,
        entries=known.entries,
        root=known.root,
        previous=known.previous,
        seal_hash=known.seal_hash,
        sealed_at=timestamp(known.sealed_at),
    )


def proof_message(proof: Proof) -> pb.EntryProof:
    return pb.EntryProof(
        entry=proof.place.entry,
        index=proof.place.index,
        tree_size=proof.place.size,
        audit_path=proof.place.audit_path,
        seal=seal_message(proof.seal),
    )


def verdict_message(verdict: Verdict) -> pb.VerifyLedgerResponse:
    return pb.VerifyLedgerResponse(
        intact=verdict.intact,
        first_bad_day=verdict.first_bad_day,
        problem=verdict.problem,
        head=seal_message(verdict.head) if verdict.head else None,
    )


def _given(field: str, message: pb.Seal) -> Given:
    if not _HASH.fullmatch(message.seal_hash):
        raise InvalidArgument(f"{field}.seal_hash", "expected 64 hexadecimal digits, lower case")
    sealed_at = None
    if message.HasField("sealed_at"):
        sealed_at = moment(f"{field}.sealed_at", message.sealed_at)
    return Given(_day(f"{field}.day", message.day).isoformat(), message.seal_hash, sealed_at)


def _day(field: str, text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidArgument(field, f"expected a day as 2026-11-22, got {text[:80]!r}")
