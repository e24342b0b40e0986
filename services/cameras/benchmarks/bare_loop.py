"""A bare aiokafka loop: what the rule costs with nothing around it. Its state is only in memory."""

import time
from collections.abc import Iterable

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from city_backbone.events import OutgoingEvent

from services.cameras.benchmarks import job, wire
from services.cameras.benchmarks.rule import Place, Rule

FETCH = 3_000
"""Records at most of one getmany, over all partitions: 500 of each, as the service takes them."""


class Memory:
    """All places' state."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._places: dict[tuple[str, str], Place] = {}

    def take(self, values: Iterable[bytes]) -> list[OutgoingEvent]:
        """A batch of one partition."""
        told: list[OutgoingEvent] = []
        touched: dict[tuple[str, str], Place] = {}
        for value in values:
            seen = self._rule.see(wire.detected(value))
            if seen is not None:
                key = (seen.site_id, seen.kind)
                place = touched.get(key)
                if place is None:
                    place = touched[key] = self._places.setdefault(key, Place())
                told += self._rule.add(place, seen)
        for place in touched.values():
            place.prune()
        return told


async def run(task: job.Job) -> job.Result:
    login = {
        "bootstrap_servers": task.bootstrap,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": task.username,
        "sasl_plain_password": task.password,
    }
    memory, watch = Memory(Rule(task.sites)), job.Stopwatch()
    consumer = AIOKafkaConsumer(
        task.topic,
        group_id=task.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **login,
    )
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **login)
    await producer.start()
    await consumer.start()
    try:
        done, committed_at = 0, time.monotonic()
        while done < task.events:
            batches = await consumer.getmany(timeout_ms=1000, max_records=FETCH)
            if batches:
                watch.start()
            sent = []
            for records in batches.values():
                for event in memory.take(record.value for record in records):
                    sent.append(
                        await producer.send(
                            task.output,
                            key=event.key.encode(),
                            value=wire.encoded(event),
                            headers=wire.headers(event),
                        )
                    )
                done += len(records)
            for confirmation in sent:
                await confirmation
            if done >= task.events or time.monotonic() - committed_at > job.COMMIT_SECONDS:
                await consumer.commit()
                committed_at = time.monotonic()
        return watch.stop()
    finally:
        await consumer.stop()
        await producer.stop()


if __name__ == "__main__":
    job.answer(uvloop.run(run(job.read())))
