"""KafkaTopics: those the department owns, and those for what it could not handle."""

from __future__ import annotations

import re
from collections.abc import Mapping

from city_backbone.registration import DEAD_LETTER_RETENTION, Registration

from meshctl.apply.topics import TopicSpec
from meshctl.render import names
from meshctl.render.names import Object

REPLICAS = 3
IN_SYNC = 2

_RESOURCE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def objects(service: Registration, topics: Mapping[str, TopicSpec]) -> list[Object]:
    """One per topic. `topics` are all that are known, with their partitions.

    Dead letters of a topic that nobody here produces get the broker's number of partitions.
    """
    own = [produced.topic for produced in service.produces]
    dead_letters = [*service.dead_letter_topics().values()]
    return [
        _topic(service, name, topics.get(name) or TopicSpec(name, 0, DEAD_LETTER_RETENTION))
        for name in [*own, *dead_letters]
    ]


def resource_name(topic: str) -> str:
    """The topic's name where Kubernetes allows it: no part of it ends with a hyphen."""
    if len(topic) <= 253 and _RESOURCE_NAME.fullmatch(topic):
        return topic
    readable = re.sub(r"-+(\.|$)", r"\1", topic)[:200].rstrip("-.")
    return f"{readable}-{names.digest(topic)}"


def _topic(service: Registration, name: str, spec: TopicSpec) -> Object:
    resource = resource_name(name)
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": names.metadata(
            resource,
            names.KAFKA,
            {"strimzi.io/cluster": names.CLUSTER, **names.labels(service.service)},
        ),
        "spec": {
            **({"topicName": name} if name != resource else {}),
            **({"partitions": spec.partitions} if spec.partitions else {}),
            "replicas": REPLICAS,
            "config": {**spec.configuration, "min.insync.replicas": str(IN_SYNC)},
        },
    }
