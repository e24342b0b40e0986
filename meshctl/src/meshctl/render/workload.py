"""The department's pods: a Deployment that is called, a StatefulSet that reads topics.

Both are one image in two roles. The StatefulSet's pods keep their names, which are their names in
the consumer group, so that a restarted one gets its partitions back.
"""

from __future__ import annotations

from city_backbone.registration import Registration

from meshctl.catalogue import Catalogue
from meshctl.render import environment, names, sizes
from meshctl.render.names import Component, Object
from meshctl.render.sizes import Pods, Size

USER = 10001
_GRACE_SECONDS = 20
_PAUSE_SECONDS = 5


def objects(
    service: Registration, catalogue: Catalogue, size: Size, version: str, policy: str
) -> list[Object]:
    """ServiceAccount, workloads and their disruption budgets. `policy` is the digest of it."""
    found = [account(service.service)]
    if size.rpc:
        found += [
            _deployment(service, catalogue, size, version, policy),
            _budget(service, "rpc"),
        ]
    return [
        *found,
        _stateful_set(service, catalogue, size, version, policy),
        _budget(service, "stream"),
    ]


def account(service: str) -> Object:
    """An account that may do nothing in the cluster, and whose token nobody gets."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": names.metadata(service, names.tenant(service), names.labels(service)),
        "automountServiceAccountToken": False,
    }


def pod_security() -> Object:
    """A pod's part of the restricted standard."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Object:
    """A container's part of the restricted standard, and a root that cannot be written."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def priority_class(service: Registration) -> str:
    return f"citymesh-{service.priority}"


def _deployment(
    service: Registration, catalogue: Catalogue, size: Size, version: str, policy: str
) -> Object:
    assert size.rpc is not None
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(service, "rpc"),
        "spec": {
            # Replicas are the HorizontalPodAutoscaler's: an apply must not undo what it decided.
            "selector": {"matchLabels": names.selector(service.service, "rpc")},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": _template(service, catalogue, size, "rpc", size.rpc, version, policy),
        },
    }


def _stateful_set(
    service: Registration, catalogue: Catalogue, size: Size, version: str, policy: str
) -> Object:
    spec: Object = {
        "serviceName": f"{service.service}-stream",
        # No pod waits for another: each has its own partitions. Updates go one by one all the same.
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": names.selector(service.service, "stream")},
        "template": _template(service, catalogue, size, "stream", size.stream, version, policy),
    }
    if not service.consumes:
        spec = {"replicas": size.stream.least, **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(service, "stream"),
        "spec": spec,
    }


def _budget(service: Registration, component: Component) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(service, component),
        "spec": {
            "maxUnavailable": 1,
            # What is not ready anyway holds up no node's drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": names.selector(service.service, component)},
        },
    }


def _metadata(service: Registration, component: Component) -> Object:
    return names.metadata(
        f"{service.service}-{component}",
        names.tenant(service.service),
        names.labels(service.service, component),
    )


def _template(
    service: Registration,
    catalogue: Catalogue,
    size: Size,
    component: Component,
    pods: Pods,
    version: str,
    policy: str,
) -> Object:
    return {
        "metadata": {
            "labels": names.labels(service.service, component),
            "annotations": {"citymesh.io/policy": policy},
        },
        "spec": {
            "serviceAccountName": service.service,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "priorityClassName": priority_class(service),
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "securityContext": pod_security(),
            "topologySpreadConstraints": [
                _spread(service, component, key)
                for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
            ],
            "containers": [
                {
                    "name": service.service,
                    "image": f"citymesh/{service.service}:{version}",
                    "env": environment.variables(service, catalogue, size, component),
                    "envFrom": environment.sources(service),
                    "ports": _ports(service, component),
                    **_probes(),
                    "lifecycle": {"preStop": {"sleep": {"seconds": _PAUSE_SECONDS}}},
                    "resources": sizes.container(pods.resources),
                    "securityContext": container_security(),
                    "volumeMounts": environment.mounts(service),
                }
            ],
            "volumes": environment.volumes(service),
        },
    }


def _spread(service: Registration, component: Component, key: str) -> Object:
    found: Object = {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": names.selector(service.service, component)},
    }
    if component == "rpc":
        found["matchLabelKeys"] = ["pod-template-hash"]
    return found


def _ports(service: Registration, component: Component) -> list[Object]:
    found: list[Object] = []
    if component == "rpc" and service.port:
        found.append({"name": "grpc", "containerPort": service.port})
    if service.http_port:
        found.append({"name": "http", "containerPort": service.http_port})
    return [*found, {"name": "health", "containerPort": names.HEALTH_PORT}]


def _probes() -> Object:
    """Native gRPC probes. A start may wait for its database, so it has five minutes."""
    return {
        "startupProbe": _probe("liveness", period=5, failures=60),
        "livenessProbe": _probe("liveness", period=10, failures=3),
        "readinessProbe": _probe("readiness", period=5, failures=2),
    }


def _probe(asked: str, period: int, failures: int) -> Object:
    return {
        "grpc": {"port": names.HEALTH_PORT, "service": asked},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
