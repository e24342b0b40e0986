"""quixstreams: a stateful dataframe, its state in RocksDB with a changelog. Runs in a virtual
environment of its own, because it needs an older confluent-kafka than the project."""

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec
from city_backbone.events import OutgoingEvent

from services.cameras.benchmarks import job, wire
from services.cameras.benchmarks.rule import Place, Rule

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Place)


class State(Protocol):
    """What is used of quixstreams' state of one message key, which is the site."""

    def get_bytes(self, key: str) -> bytes | None: ...

    def set_bytes(self, key: str, value: bytes) -> None: ...


class Stateful:
    """One detection after the other, as the dataframe gets them."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def take(self, value: bytes, state: State) -> Iterable[OutgoingEvent]:
        seen = self._rule.see(wire.detected(value))
        if seen is None:
            return ()
        packed = state.get_bytes(seen.kind)
        place = Place() if packed is None else _decoder.decode(packed)
        told = self._rule.add(place, seen)
        place.prune()
        state.set_bytes(seen.kind, _encoder.encode(place))
        return told


def run(task: job.Job) -> job.Result:
    # Not in the project's virtual environment, so that the checker cannot find it.
    from quixstreams import Application  # type: ignore[import-not-found]
    from quixstreams.checkpointing import Checkpoint  # type: ignore[import-not-found]
    from quixstreams.kafka import ConnectionConfig  # type: ignore[import-not-found]

    watch, done = job.Stopwatch(), 0
    results: list[job.Result] = []
    commit = Checkpoint.commit

    def committed(checkpoint: Any, *arguments: Any, **named: Any) -> None:
        commit(checkpoint, *arguments, **named)
        results.append(watch.stop())

    def processed(topic: str, partition: int, offset: int) -> None:
        nonlocal done
        done += 1
        if done >= task.events:
            app.stop()

    def take(value: bytes, state: Any) -> Iterable[OutgoingEvent]:
        watch.start()
        return stateful.take(value, state)

    Checkpoint.commit = committed
    stateful = Stateful(Rule(task.sites))
    app = Application(
        broker_address=ConnectionConfig(
            bootstrap_servers=task.bootstrap,
            security_protocol="sasl_plaintext",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=task.username,
            sasl_password=task.password,
        ),
        consumer_group=task.group,
        auto_offset_reset="earliest",
        commit_interval=job.COMMIT_SECONDS,
        state_dir=f"{task.folder}/quixstreams",
        producer_extra_config={"acks": "all", "enable.idempotence": True},
        on_message_processed=processed,
        loglevel="WARNING",
    )
    frame = app.dataframe(
        app.topic(task.topic, key_deserializer="bytes", value_deserializer="bytes")
    )
    output = app.topic(task.output, key_serializer="bytes", value_serializer="bytes")
    frame = frame.apply(take, stateful=True, expand=True)
    frame = frame.set_headers(lambda event, *_: wire.headers(event))
    frame.apply(wire.encoded).to_topic(output)
    app.run()
    return results[-1]


if __name__ == "__main__":
    job.answer(run(job.read()))
