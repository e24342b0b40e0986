"""Between the part and the messages of city.cameras.v1; checks what callers send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar, get_args
from uuid import UUID

from city.cameras.v1 import alarm_pb2 as pb
from city.cameras.v1 import camera_pb2, detection_pb2
from city.type.v1.position_pb2 import Position
from city_backbone.errors import InvalidArgument
from google.protobuf.timestamp_pb2 import Timestamp

from cameras.alarms.alarm import AUTOMATIC, Alarm, Status
from cameras.alarms.rules import KINDS, PURPOSES, Rule, RuleSet, Urgency

N = TypeVar("N", bound=str)

_KIND: Mapping[str, detection_pb2.DetectionKind.ValueType] = {
    name: detection_pb2.DetectionKind.Value(f"DETECTION_KIND_{name}") for name in KINDS
}
_PURPOSE: Mapping[str, camera_pb2.Purpose.ValueType] = {
    name: camera_pb2.Purpose.Value(f"PURPOSE_{name}") for name in PURPOSES
}
_URGENCY: Mapping[Urgency, pb.Urgency.ValueType] = {
    name: pb.Urgency.Value(f"URGENCY_{name}") for name in get_args(Urgency)
}
_STATUS: Mapping[Status, pb.AlarmStatus.ValueType] = {
    status: pb.AlarmStatus.Value(f"ALARM_STATUS_{status}") for status in Status
}


def alarm_id(text: str) -> UUID:
    """Raises InvalidArgument."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgument("alarm_id", "expected a UUID") from None


def statuses(values: Sequence[int]) -> list[Status]:
    """Raises InvalidArgument for one that is unspecified or unknown."""
    known = {int(message): status for status, message in _STATUS.items()}
    try:
        return [known[value] for value in values]
    except KeyError:
        raise InvalidArgument("statuses", f"expected of {', '.join(Status)}") from None


def kind(value: int) -> str:
    """Empty for unspecified. Raises InvalidArgument."""
    return "" if value == 0 else _name(_KIND, value, "kind")


def text(field: str, value: str, longest: int, required: bool = True) -> str:
    """Trimmed. Raises InvalidArgument."""
    value = value.strip()
    if "\x00" in value:
        raise InvalidArgument(field, "expected text without NUL")
    if len(value) > longest or (required and not value):
        raise InvalidArgument(field, f"expected {1 if required else 0} to {longest} characters")
    return value


def account(operator: str) -> str:
    """The account of a person. Raises InvalidArgument."""
    name = text("operator", operator, 100)
    if name == AUTOMATIC:
        raise InvalidArgument("operator", f"expected a person's account, {name} is the service")
    return name


def moment(stamp: Timestamp, field: str) -> datetime:
    """Aware UTC. Raises InvalidArgument."""
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(field, "expected a time of the years 1 to 9999") from None


def rule_set(message: pb.RuleSet, version: int) -> RuleSet:
    """As operators put it, not yet checked as a whole. Raises InvalidArgument."""
    if not message.HasField("effective_from"):
        raise InvalidArgument("rule_set.effective_from", "expected a time")
    return RuleSet(
        version=version,
        effective_from=moment(message.effective_from, "rule_set.effective_from"),
        lateness_seconds=message.lateness_seconds,
        forget_seconds=message.forget_seconds,
        rules=tuple(_rule(one) for one in message.rules),
    )


def _rule(message: pb.Rule) -> Rule:
    def field(name: str) -> str:
        return f"rule_set.rules[{message.rule_id}].{name}"

    after = message.HasField("escalate_after_seconds")
    urgency: Urgency = "NORMAL"
    if not message.muted:
        urgency = _name(_URGENCY, message.urgency, field("urgency"))
    return Rule(
        rule_id=message.rule_id,
        kind=_name(_KIND, message.kind, field("kind")),
        purposes=tuple(_name(_PURPOSE, one, field("purposes")) for one in message.purposes),
        from_time=message.from_time,
        to_time=message.to_time,
        muted=message.muted,
        min_confidence=message.min_confidence,
        dwell_seconds=message.dwell_seconds,
        gap_seconds=message.gap_seconds,
        witness_seconds=message.witness_seconds,
        urgency=urgency,
        escalate_after_seconds=message.escalate_after_seconds if after else None,
    )


def rule_set_message(rules: RuleSet) -> pb.RuleSet:
    return pb.RuleSet(
        version=rules.version,
        effective_from=_timestamp(rules.effective_from),
        lateness_seconds=rules.lateness_seconds,
        forget_seconds=rules.forget_seconds,
        rules=[
            pb.Rule(
                rule_id=one.rule_id,
                kind=_KIND[one.kind],
                purposes=[_PURPOSE[purpose] for purpose in one.purposes],
                from_time=one.from_time,
                to_time=one.to_time,
                muted=one.muted,
                min_confidence=one.min_confidence,
                dwell_seconds=one.dwell_seconds,
                gap_seconds=one.gap_seconds,
                witness_seconds=one.witness_seconds,
                urgency=pb.URGENCY_UNSPECIFIED if one.muted else _URGENCY[one.urgency],
                escalate_after_seconds=one.escalate_after_seconds,
            )
            for one in rules.rules
        ],
    )


def alarm_message(alarm: Alarm) -> pb.Alarm:
    site = alarm.site
    return pb.Alarm(
        alarm_id=str(alarm.id),
        kind=_KIND[alarm.kind],
        status=_STATUS[alarm.status],
        urgency=_URGENCY[alarm.urgency],
        site_id=site.site_id,
        place=site.place,
        purpose=_PURPOSE[alarm.purpose],
        position=Position(latitude=site.latitude, longitude=site.longitude),
        occurred_at=_timestamp(alarm.occurred_at),
        persisted_at=_timestamp(alarm.persisted_at),
        changed_at=_timestamp(alarm.changed_at),
        revision=alarm.revision,
        witnesses=[
            pb.Witness(
                camera_id=one.camera_id,
                track_id=one.track_id,
                first_detected_at=_timestamp(one.first_detected_at),
            )
            for one in alarm.witnesses
        ],
        detection_ids=alarm.detection_ids,
        rule_id=alarm.rule_id,
        rule_version=alarm.rule_version,
        changed_by=alarm.changed_by,
        reason=alarm.reason,
        escalates_at=None if alarm.escalates_at is None else _timestamp(alarm.escalates_at),
    )


def _name(names: Mapping[N, int], value: int, field: str) -> N:
    for name, message in names.items():
        if message == value:
            return name
    raise InvalidArgument(field, f"expected one of {', '.join(names)}")


def _timestamp(instant: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
