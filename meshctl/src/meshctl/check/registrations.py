"""What one registration cannot know of the others."""

from __future__ import annotations

from collections.abc import Iterator

from city_backbone.registration import topic_department

from meshctl.catalogue import Catalogue


def check(catalogue: Catalogue) -> Iterator[str]:
    """Every problem, one line each.

    A topic of a department whose folder is not here may be consumed: departments come and go.
    """
    departments = {service.service for service in catalogue.services}
    visibility = {
        produced.topic: produced.visibility
        for service in catalogue.services
        for produced in service.produces
    }
    dead_letters = {
        topic for service in catalogue.services for topic in service.dead_letter_topics().values()
    }
    for service in catalogue.services:
        if service.path.parent.name != service.service:
            yield f"{service.path}: service: expected {service.path.parent.name}, as its folder"
        if service.http_port is None:
            yield f"{service.path}: http_port: expected one, for health and metrics"
    for client in catalogue.clients:
        if not client.is_client:
            yield f"{client.path}: expected a client: no ports, produces or serves"
    for registration in catalogue:
        for index, consumed in enumerate(registration.consumes):
            where = f"{registration.path}: consumes[{index}].topic"
            topic = consumed.topic
            if topic.endswith(".dlt"):
                if topic_department(topic) in departments and topic not in dead_letters:
                    yield f"{where}: {topic} is nobody's dead-letter topic"
                source = topic.removesuffix(".dlt").rpartition(".")[0]
                if visibility.get(source) == "personal" and registration.is_client:
                    yield f"{where}: {topic} is personal and not for clients"
            elif topic_department(topic) in departments and topic not in visibility:
                yield f"{where}: nobody produces {topic}"
            elif visibility.get(topic) == "personal" and registration.is_client:
                yield f"{where}: {topic} is personal and not for clients"
