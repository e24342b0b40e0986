"""The broker's admin client, its blocking calls moved off the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from meshctl.errors import ApplyError

REQUEST_SECONDS = 30.0
_PROBE_SECONDS = 4.0
# librdkafka tells each refused connection; while a broker starts that is no news.
_silent = logging.getLogger("meshctl.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False

T = TypeVar("T")


def client_settings(
    bootstrap: str, user: str, password: str, ca_file: Path | None = None
) -> dict[str, Any]:
    """librdkafka's settings for one user: in the clear, on the loopback, unless there is a CA."""
    return {
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_SSL" if ca_file else "SASL_PLAINTEXT",
        **({"ssl.ca.location": str(ca_file)} if ca_file else {}),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password,
        "socket.timeout.ms": 10_000,
        "log_level": 0,
        "logger": _silent,
    }


def admin(bootstrap: str, user: str, password: str, ca_file: Path | None = None) -> AdminClient:
    """An admin client; it connects on first use."""
    return AdminClient(client_settings(bootstrap, user, password, ca_file))


async def answers(bootstrap: str, user: str, password: str) -> bool:
    """Whether the broker lets this user in and knows itself."""

    def ask() -> bool:
        try:
            found = admin(bootstrap, user, password).list_topics(timeout=_PROBE_SECONDS)
        except KafkaException:
            return False
        return bool(found.brokers)

    return await asyncio.to_thread(ask)


def collect(
    what: str, futures: Mapping[Any, Future[T]], ignore: Iterable[int] = ()
) -> dict[Any, T]:
    """The results of a batch of admin requests, by key. Error codes in ``ignore`` are left out.

    Raises ApplyError naming the first key that was refused, with the broker's reason.
    """
    tolerated = set(ignore)
    results: dict[Any, T] = {}
    for key, future in futures.items():
        try:
            results[key] = future.result(timeout=REQUEST_SECONDS)
        except KafkaException as error:
            if error.args[0].code() in tolerated:
                continue
            raise ApplyError(f"{what} {key}: the broker says: {error.args[0].str()}") from error
        except TimeoutError:
            raise ApplyError(f"{what} {key}: no answer from the broker") from None
    return results
