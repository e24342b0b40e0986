"""Names and addresses that rendered objects share with ``deploy/k8s/platform``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

Object = dict[str, Any]
Component = Literal["rpc", "stream"]

CLUSTER = "city"
KAFKA = "citymesh-kafka"
REGISTRY = "citymesh-registry"
TELEMETRY = "citymesh-telemetry"
CLIENTS = "city-clients"
MONITORING = "monitoring"
INGRESS = "ingress"
DNS = "kube-system"
DATABASES = "cnpg-system"

BOOTSTRAP = f"{CLUSTER}-kafka-bootstrap.{KAFKA}.svc:9093"
REGISTRY_URL = f"http://registry.{REGISTRY}.svc:8080/apis/ccompat/v7"
COLLECTOR_URL = f"http://collector.{TELEMETRY}.svc:4317"
KAFKA_PORT, REGISTRY_PORT, COLLECTOR_PORT = 9093, 8080, 4317
POSTGRES_PORT, POSTGRES_STATUS_PORT, POSTGRES_METRICS_PORT = 5432, 8000, 9187
HEALTH_PORT = 8086

TLS = "/etc/citymesh/tls"
POLICY = "/etc/citymesh/policy"
DATABASE_CA = "/etc/citymesh/postgres"
FOLDERS = "/var/lib/citymesh"
REGISTRATION = "/srv/registration"

POSTGRES = "postgres"
IDENTITY = "identity"
DOMAIN = "city.example"
"""Documentation's domain: the overlay names the city's own."""

NAME, PART_OF, COMPONENT = (
    f"app.kubernetes.io/{label}" for label in ("name", "part-of", "component")
)
TENANT = "citymesh.io/tenant"
NAMESPACE = "kubernetes.io/metadata.name"


def tenant(service: str) -> str:
    """The namespace of a department."""
    return f"city-{service}"


def labels(service: str, component: str | None = None) -> dict[str, str]:
    """The labels of what a department has."""
    found = {NAME: service, PART_OF: "citymesh"}
    return {**found, COMPONENT: component} if component else found


def selector(service: str, component: str | None = None) -> dict[str, str]:
    """What selects a department's pods: without a component, of both kinds."""
    return {NAME: service, COMPONENT: component} if component else {NAME: service}


def metadata(
    name: str,
    namespace: str,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Object:
    """An object's metadata."""
    found: Object = {"name": name, "namespace": namespace}
    if labels:
        found["labels"] = dict(labels)
    if annotations:
        found["annotations"] = dict(annotations)
    return found


def folder(setting: str) -> str:
    """The name of the volume of one of a registration's `folders`."""
    return setting.lower().replace("_", "-")


def digest(content: object) -> str:
    """Ten characters that change with the content."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
