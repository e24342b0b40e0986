"""quixstreams: a stateful dataframe, its state in RocksDB with a changelog. Runs in a virtual
environment of its own, because it needs an older confluent-kafka than the project.

A record that can never be handled goes to the department's dead letters, before its offset.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from city_backbone.events import OutgoingEvent

from loadtests.peers import deadletter, task, wire
from loadtests.peers.deadletter import PoisonError
from loadtests.peers.jobs import stage
from loadtests.peers.jobs.stage import Stage
from loadtests.peers.task import Result, Stopwatch, Task

S = TypeVar("S")
In = TypeVar("In")


class State(Protocol):
    """What is used of quixstreams' state of one message key."""

    def get_bytes(self, key: str) -> bytes | None: ...

    def set_bytes(self, key: str, value: bytes) -> None: ...


class Stateful(Generic[S, In]):
    """One event after the other, as the dataframe gets them."""

    def __init__(self, of: Stage[S, In]) -> None:
        self._stage = of

    def take(
        self, value: bytes | None, key: bytes | None, headers: Any, state: State
    ) -> Iterable[OutgoingEvent]:
        """Raises PoisonError, and then has changed nothing."""
        _, taken = deadletter.read(self._stage, key, value, headers)
        if taken is None:
            return ()
        packed = state.get_bytes(taken.key)
        own = self._stage.fresh() if packed is None else self._stage.unpack(packed)
        told = self._stage.take(own, [taken.input])
        state.set_bytes(taken.key, self._stage.pack(own))
        return told


class Graves:
    """The dead letters of `topic`."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._producer: Any = None

    def bury(self, error: Exception, row: Any, app: Any) -> bool:
        """Whether the application can go on: the record was poison, and its letter is confirmed."""
        if not isinstance(error, PoisonError):
            return False
        if self._producer is None:
            self._producer = app.get_producer()
        where = row.topic, row.partition, row.offset
        letter = deadletter.letter(*where, row.key, row.value, row.headers, str(error))
        outcomes: list[Any] = []
        self._producer.produce(
            self._topic, letter.value, letter.key, letter.headers, on_delivery=_into(outcomes)
        )
        self._producer.flush()
        return outcomes == [None]


def _into(outcomes: list[Any]) -> Callable[[Any, Any], None]:
    return lambda error, _: outcomes.append(error)


def run(what: Task) -> Result:
    # Not in the project's virtual environment, so that the checker cannot find it.
    from quixstreams import Application  # type: ignore[import-not-found]
    from quixstreams.checkpointing import Checkpoint  # type: ignore[import-not-found]
    from quixstreams.kafka import ConnectionConfig  # type: ignore[import-not-found]

    watch, done = Stopwatch(), 0
    results: list[Result] = []
    commit = Checkpoint.commit

    def committed(checkpoint: Any, *arguments: Any, **named: Any) -> None:
        commit(checkpoint, *arguments, **named)
        results.append(watch.stop())

    def processed(topic: str, partition: int, offset: int) -> None:
        nonlocal done
        done += 1
        if done >= what.events:
            app.stop()

    def take(value: bytes, key: Any, _: int, headers: Any, state: Any) -> Iterable[OutgoingEvent]:
        watch.start()
        return stateful.take(value, key, headers, state)

    Checkpoint.commit = committed
    graves = Graves(deadletter.topic(what.topic))
    stateful = Stateful(stage.create(what.job, bytes(what.places)))
    app: Any = Application(
        broker_address=ConnectionConfig(
            bootstrap_servers=what.bootstrap,
            security_protocol="sasl_plaintext",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=what.username,
            sasl_password=what.password,
        ),
        consumer_group=what.group,
        auto_offset_reset="earliest",
        commit_interval=task.COMMIT_SECONDS,
        state_dir=f"{what.folder}/quixstreams",
        producer_extra_config={"acks": "all", "enable.idempotence": True},
        on_message_processed=processed,
        on_processing_error=lambda error, row, _: graves.bury(error, row, app),
        loglevel="WARNING",
    )
    frame = app.dataframe(
        app.topic(what.topic, key_deserializer="bytes", value_deserializer="bytes")
    )
    output = app.topic(what.output, key_serializer="bytes", value_serializer="bytes")
    frame = frame.apply(take, stateful=True, expand=True, metadata=True)
    frame = frame.set_headers(lambda event, *_: wire.headers(event))
    frame.apply(wire.encoded).to_topic(output)
    app.run()
    return results[-1]


if __name__ == "__main__":
    task.answer(run(task.read()))
