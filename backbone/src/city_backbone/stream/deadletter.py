"""The dead-letter topic of a consumer group: original bytes, key and headers, and the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiokafka import ConsumerRecord

from city_backbone import inbox
from city_backbone.database import Connection
from city_backbone.events import event_id
from city_backbone.outbox import Record, add_records

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that can never be handled, and why.

    `reason` goes to the dead-letter topic and may quote the event; `summary` goes to the log.
    """

    record: ConsumerRecord
    reason: str
    summary: str


def dead_letter_topic(topic: str, group: str) -> str:
    """`<topic>.<group>.dlt`."""
    return f"{topic}.{group}.dlt"


async def bury(connection: Connection, group: str, topic: str, failures: Sequence[Failure]) -> int:
    """Send the records to their dead-letter topic with this transaction, in this order.

    Returns how many; one that was sent before, when its offset was not yet committed, is not
    sent again. Added headers: dlt_reason, dlt_topic, dlt_partition, dlt_offset, dlt_group,
    dlt_time.
    """
    if not failures:
        return 0
    graves = {
        event_id("dead-letter", group, topic, failure.record.partition, failure.record.offset): (
            failure
        )
        for failure in failures
    }
    new = await inbox.admit(connection, list(graves))
    fresh = [failure for grave, failure in graves.items() if grave in new]
    time = datetime.now(UTC).isoformat()
    await add_records(connection, [_dead(group, topic, failure, time) for failure in fresh])
    for failure in fresh:
        log.warning(
            "event dead-lettered",
            topic=topic,
            partition=failure.record.partition,
            offset=failure.record.offset,
            outcome="dead",
            reason=failure.summary,
        )
    return len(fresh)


def _dead(group: str, topic: str, failure: Failure, time: str) -> Record:
    record = failure.record
    added = {
        "dlt_reason": failure.reason[:2000],
        "dlt_topic": topic,
        "dlt_partition": str(record.partition),
        "dlt_offset": str(record.offset),
        "dlt_group": group,
        "dlt_time": time,
    }
    headers = [
        *record.headers,
        *((name, value.encode(errors="replace")) for name, value in added.items()),
    ]
    return Record(dead_letter_topic(topic, group), record.key, record.value, headers)
