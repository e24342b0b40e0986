"""One record the broker will never take does not take its batch with it."""

import asyncio
from typing import Any, cast

import aiokafka.errors
import pytest
from aiokafka import AIOKafkaProducer
from city_backbone.outbox import Record
from city_backbone.publisher import MAX_RECORD_BYTES, Publisher
from city_backbone.settings import KafkaSettings
from pydantic import SecretStr

TOPIC = "trial.thing-seen.v1"


class Batch:
    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, value: bytes, **_: Any) -> object:
        self.values.append(value)
        return object()


class Broker:
    """Stands for the producer: refuses each batch that has a value it was told to refuse."""

    def __init__(self, refused: dict[bytes, Exception]) -> None:
        self.refused = refused
        self.taken: list[bytes] = []

    async def partitions_for(self, topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(
        self, batch: Batch, topic: str, *, partition: int
    ) -> "asyncio.Future[None]":
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        errors = [self.refused[value] for value in batch.values if value in self.refused]
        if errors:
            answer.set_exception(errors[0])
        else:
            self.taken += batch.values
            answer.set_result(None)
        return answer


async def publish(broker: Broker, values: list[bytes]) -> list[Exception | None]:
    settings = KafkaSettings(bootstrap_servers="", username="", password=SecretStr(""))
    publisher = Publisher(settings, "trial", 5.0)
    publisher._producer = cast(AIOKafkaProducer, broker)
    return await publisher.publish([Record(TOPIC, b"a", value, ()) for value in values])


@pytest.mark.parametrize("position", range(3))
async def test_what_is_refused_for_good_is_alone_in_that(position: int) -> None:
    values = [b"a", b"b", b"c"]
    error = aiokafka.errors.MessageSizeTooLargeError()
    broker = Broker({values[position]: error})
    outcomes = await publish(broker, values)
    assert outcomes == [error if place == position else None for place in range(3)]
    assert broker.taken == [value for value in values if value != values[position]]


async def test_what_is_too_large_is_not_even_sent() -> None:
    broker = Broker({})
    outcomes = await publish(broker, [b"a", b"x" * MAX_RECORD_BYTES, b"c"])
    assert outcomes[0] is outcomes[2] is None
    assert isinstance(outcomes[1], aiokafka.errors.MessageSizeTooLargeError)
    assert broker.taken == [b"a", b"c"]


async def test_after_another_failure_the_rest_of_the_partition_is_not_tried() -> None:
    large = b"x" * MAX_RECORD_BYTES
    error = aiokafka.errors.NotLeaderForPartitionError()
    broker = Broker({b"b": error})
    assert (await publish(broker, [b"a", b"b", large, b"c"])) == [error] * 4
    assert broker.taken == []
