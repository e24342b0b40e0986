"""Clients: a login and rights in Kafka, an identity for calls. They run outside the cluster."""

from __future__ import annotations

from city_backbone.registration import Registration

from meshctl.render import certificate, names, tenant, user
from meshctl.render.names import Object


def space() -> list[Object]:
    """The namespace of their certificates, in which nothing runs."""
    return [tenant.namespace(names.CLIENTS, {}), tenant.default_deny(names.CLIENTS)]


def objects(client: Registration) -> list[Object]:
    return [user.user(client), certificate.of_client(client.service)]
