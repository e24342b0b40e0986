"""The Faust app of a service, with the settings that were measured (streaming.md)."""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import faust
from faust.types import TP
from faust.types.auth import SASLMechanism

from city_backbone.settings import KafkaSettings, ServiceSettings
from city_backbone.stream.lanes import Lanes, Urgent
from city_backbone.stream.transport import Batch

# A rebalance waits so long for members, whatever a restart may take.
_REBALANCE_SECONDS = 30.0

BatchHandler = Callable[[str, int, Batch], Awaitable[None]]


class _PassThrough(faust.Schema):
    """A batch is decoded by our own handler, so Faust must not look into it."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


class _App(faust.App):
    async def on_first_start(self) -> None:
        """Without the folders that Faust makes here: they are for tables, and there are none."""


def create_app(group: str, settings: ServiceSettings) -> faust.App:
    """An app that is not started; its group is the service's name, its member id static."""
    kafka = settings.kafka
    session = kafka.session_timeout_seconds
    rebalance = min(2 * session, _REBALANCE_SECONDS)
    return _App(
        group,
        broker=[f"citymesh://{server}" for server in kafka.bootstrap_servers.split(",")],
        # Of the member, not of its host: the leader knows a member that comes back by it.
        canonical_url=f"http://{settings.instance}:6066",
        broker_credentials=faust.SASLCredentials(
            username=kafka.username,
            password=kafka.password.get_secret_value(),
            mechanism=SASLMechanism.SCRAM_SHA_512,
            ssl_context=_ssl_context(kafka),
        ),
        consumer_group_instance_id=settings.instance,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 5,
        broker_rebalance_timeout=rebalance,
        broker_request_timeout=max(1.5 * rebalance, session),
        broker_max_poll_records=kafka.max_poll_records,
        broker_commit_interval=1.0,
        processing_guarantee="at_least_once",
        stream_wait_empty=False,
        stream_buffer_maxsize=16,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        logging_config=None,
        loghandlers=[],
        autodiscover=False,
    )


def consume(
    app: faust.App, topic: str, handler: BatchHandler, linger: float, urgent: Urgent
) -> None:
    """Give each partition batch of `topic` to `handler`; it returns when the effects are in. For
    `linger` and `urgent` see Lanes."""
    channel = app.topic(topic, schema=_PassThrough())

    async def handle(place: TP, batch: Batch) -> None:
        # One that waited here while its partition went away and came back is delivered anew.
        if app.consumer.continues(place, batch):
            await handler(place.topic, place.partition, batch)
            app.consumer.complete(place.topic, place.partition, batch)

    async def agent(stream: Any) -> None:
        async with aclosing(_batches(stream)) as batches:
            lanes = Lanes(handle, app.conf.broker_max_poll_records, linger=linger, urgent=urgent)
            await lanes.run(batches)

    agent.__name__ = f"on_{topic.replace('.', '_').replace('-', '_')}"
    app.agent(channel, name=f"{app.conf.id}.{topic}")(agent)


async def _batches(stream: Any) -> AsyncGenerator[tuple[TP, Batch], None]:
    async for event in stream.events():
        message = event.message
        yield TP(message.topic, message.partition), message.value


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    if kafka.security_protocol != "SASL_SSL":
        return None
    return ssl.create_default_context(cafile=str(kafka.ca_file) if kafka.ca_file else None)
