"""Scaling: pods that are called by their CPU, pods that read by how far they are behind."""

from __future__ import annotations

from city_backbone.registration import Registration

from meshctl.render import names
from meshctl.render.names import Object
from meshctl.render.sizes import Pods, Size

_BUSY_PERCENT = 70
_CALM_SECONDS = 300
# Each change of the number of readers stops them all for a moment.
_CALM_STREAM_SECONDS = 900


def objects(service: Registration, size: Size) -> list[Object]:
    found = []
    if size.rpc:
        found.append(_by_cpu(service.service, size.rpc))
    if service.consumes:
        found += [_by_lag(service, size), _login(service.service)]
    return found


def _by_cpu(service: str, pods: Pods) -> Object:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(f"{service}-rpc", service),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": f"{service}-rpc",
            },
            "minReplicas": pods.least,
            "maxReplicas": pods.most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": _BUSY_PERCENT},
                    },
                }
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": _CALM_SECONDS}},
        },
    }


def _by_lag(service: Registration, size: Size) -> Object:
    name = service.service
    calm = {"stabilizationWindowSeconds": _CALM_STREAM_SECONDS}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": _metadata(f"{name}-stream", name),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "name": f"{name}-stream",
            },
            "pollingInterval": 15,
            "minReplicaCount": size.stream.least,
            "maxReplicaCount": size.stream.most,
            # While lag cannot be read, whoever is there stays.
            "fallback": {
                "failureThreshold": 4,
                "replicas": size.stream.least,
                "behavior": "currentReplicasIfHigher",
            },
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": calm}}},
            "triggers": [_trigger(service, one.topic, size.lag) for one in service.consumes],
        },
    }


def _trigger(service: Registration, topic: str, lag: int) -> Object:
    return {
        "type": "kafka",
        "metadata": {
            "bootstrapServers": names.BOOTSTRAP,
            "consumerGroup": service.group,
            "topic": topic,
            "lagThreshold": str(lag),
            "offsetResetPolicy": "earliest",
            "allowIdleConsumers": "false",
            # A partition that stands still is not moved by one more pod.
            "excludePersistentLag": "true",
        },
        "authenticationRef": {"name": "kafka"},
    }


def _login(service: str) -> Object:
    """KEDA looks as the department itself, whose group it is."""
    fields = [("kafka", key, key) for key in ("sasl", "tls", "username", "password")]
    fields.append((names.IDENTITY, "ca.crt", "ca"))
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": _metadata("kafka", service),
        "spec": {
            "secretTargetRef": [
                {"parameter": parameter, "name": secret, "key": key}
                for secret, key, parameter in fields
            ]
        },
    }


def _metadata(name: str, service: str) -> Object:
    return names.metadata(name, names.tenant(service), names.labels(service))
