"""What the broker answers to each request of each principal, as raw requests of many at once.

Every request is one that changes nothing when it is allowed, too: a batch without records, a
check that is told only to validate, a heartbeat of nobody.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.protocol import admin
from aiokafka.protocol.api import Request
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest

# TOPIC_, GROUP_ and CLUSTER_AUTHORIZATION_FAILED.
_REFUSED = {29, 30, 31}
_NODE = 1
_MS = 10_000
_TOPIC = 2


class _DescribeGroups(Request[admin.DescribeGroupsRequest_v1]):  # type: ignore[misc]
    """aiokafka's own asks for a later version, and cannot read the answer to that."""

    API_KEY = 15

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = list(groups)

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._groups)


Answers = dict[tuple[str, str, str], bool]


@asynccontextmanager
async def connected(bootstrap: str, user: str, password: str) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(
        bootstrap_servers=bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=user,
        sasl_plain_password=password,
    )
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()


async def login(port: int, user: str, password: str) -> None:
    """Raises SaslAuthenticationFailed; `connected` would only say that there was no connection."""
    connection = await create_conn(
        "127.0.0.1",
        port,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=user,
        sasl_plain_password=password,
    )
    connection.close()


async def ask(client: AIOKafkaClient, topics: Sequence[str], groups: Sequence[str]) -> Answers:
    """Whether each operation on each topic, group and the cluster is allowed."""
    answers: Answers = {}
    for operation, request, codes in _of_topics(topics):
        answer = await client.send(_NODE, request)
        found = dict(codes(answer))
        assert found.keys() == set(topics), operation
        answers |= {("TOPIC", topic, operation): found[topic] for topic in topics}
    for group in groups:
        beat = await client.send(_NODE, HeartbeatRequest(group, 1, "nobody"))
        answers["GROUP", group, "READ"] = beat.error_code not in _REFUSED
    described = await client.send(_NODE, _DescribeGroups(groups))
    for one in described.groups:
        answers["GROUP", one[1], "DESCRIBE"] = one[0] not in _REFUSED
    for group, code in (await client.send(_NODE, admin.DeleteGroupsRequest(list(groups)))).results:
        answers["GROUP", group, "DELETE"] = code not in _REFUSED
    return answers | await _of_cluster(client)


async def _of_cluster(client: AIOKafkaClient) -> Answers:
    anything = (1, None, 1, None, None, 1, 1)
    rule = (_TOPIC, "everything", 3, "User:somebody", "*", 2, 3)
    seen = await client.send(_NODE, admin.DescribeAclsRequest(*anything))
    made = await client.send(_NODE, admin.CreateAclsRequest(*rule))
    codes = {"DESCRIBE": seen.error_code, "ALTER": made.creation_responses[0][0]}
    return {("CLUSTER", "", operation): code not in _REFUSED for operation, code in codes.items()}


def _of_topics(topics: Sequence[str]) -> Iterator[tuple[str, Any, Any]]:
    first = [(topic, [(0, b"")]) for topic in topics]
    yield "WRITE", ProduceRequest(None, 1, _MS, first), lambda a: _nested(a.topics, 1)
    fetched = [(topic, [(0, 0, 1)]) for topic in topics]
    yield "READ", FetchRequest(0, 0, 1, 0, fetched), lambda a: _nested(a.topics, 1)
    latest = [(topic, [(0, -1)]) for topic in topics]
    yield "DESCRIBE", OffsetRequest(-1, 0, latest), lambda a: _nested(a.topics, 1)
    created: list[Any] = [(topic, 1, 1, [], []) for topic in topics]
    yield "CREATE", admin.CreateTopicsRequest(created, _MS, True), lambda a: _flat(a.topic_errors)
    emptied = [(topic, [(0, 0)]) for topic in topics]
    yield "DELETE", admin.DeleteRecordsRequest(emptied, _MS), lambda a: _nested(a.topics, 2)
    grown = [(topic, (9, None)) for topic in topics]
    yield "ALTER", admin.CreatePartitionsRequest(grown, _MS, True), lambda a: _flat(a.topic_errors)
    named = [(_TOPIC, topic, None) for topic in topics]
    yield "DESCRIBE_CONFIGS", admin.DescribeConfigsRequest(named), lambda a: _named(a.resources)
    kept = [(_TOPIC, topic, [("retention.ms", "1")]) for topic in topics]
    yield "ALTER_CONFIGS", admin.AlterConfigsRequest(kept, True), lambda a: _named(a.resources)


def _flat(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, bool]]:
    for row in rows:
        yield row[0], row[1] not in _REFUSED


def _nested(rows: Iterable[Sequence[Any]], position: int) -> Iterator[tuple[str, bool]]:
    for row in rows:
        yield row[0], row[1][0][position] not in _REFUSED


def _named(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, bool]]:
    for row in rows:
        yield row[3], row[0] not in _REFUSED
