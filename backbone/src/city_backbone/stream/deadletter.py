"""The dead-letter topic of a consumer group: original bytes, key and headers, and the reason."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import ConsumerRecord

from city_backbone.database import Connection
from city_backbone.outbox import Record, add_records


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


async def bury(connection: Connection, group: str, topic: str, failure: Failure) -> None:
    """Send the record to its dead-letter topic with this transaction.

    Added headers: dlt_reason, dlt_topic, dlt_partition, dlt_offset, dlt_group, dlt_time.
    """
    record = failure.record
    added = {
        "dlt_reason": failure.reason[:2000],
        "dlt_topic": topic,
        "dlt_partition": str(record.partition),
        "dlt_offset": str(record.offset),
        "dlt_group": group,
        "dlt_time": datetime.now(UTC).isoformat(),
    }
    headers = [
        *record.headers,
        *((name, value.encode(errors="replace")) for name, value in added.items()),
    ]
    await add_records(
        connection, [Record(dead_letter_topic(topic, group), record.key, record.value, headers)]
    )
