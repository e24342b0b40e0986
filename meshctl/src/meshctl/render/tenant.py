"""A department's place: namespace, quotas, limits, and nothing let in or out unless opened."""

from __future__ import annotations

from city_backbone.registration import Registration

from meshctl.catalogue import Catalogue
from meshctl.render import edges, names, sizes, workload
from meshctl.render.names import Object
from meshctl.render.sizes import Resources, Size

_RESTRICTED = "restricted"
_NOBODYS_CLASSES = ["system-cluster-critical", "system-node-critical"]


def namespace(name: str, extra: dict[str, str]) -> Object:
    """A namespace that holds every pod to the restricted standard."""
    standard = {
        f"pod-security.kubernetes.io/{mode}": _RESTRICTED for mode in ("enforce", "audit", "warn")
    }
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {names.PART_OF: "citymesh", **extra, **standard}},
    }


def of_service(service: Registration) -> Object:
    found = {names.TENANT: service.service, "citymesh.io/priority": service.priority}
    return namespace(names.tenant(service.service), found)


def default_deny(space: str) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata("default-deny", space),
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def quotas(service: Registration, catalogue: Catalogue, size: Size) -> list[Object]:
    """What the department may take together, and which priorities it may claim.

    Room for the urgent is the urgent's own: a pod of another's namespace that claims their class
    is refused.
    """
    claims = size.database.instances + 1 + len(service.folders)
    storage = (size.database.instances + 1) * size.database.storage
    storage += len(service.folders) * sizes.FOLDER_GIB
    outside = "1" if edges.client_callers(service, catalogue) else "0"
    pods, resources = sizes.total(size)
    whole = _quota(
        "tenant",
        service,
        {
            **_hard(pods, resources),
            "persistentvolumeclaims": str(claims),
            "requests.storage": f"{storage}Gi",
            "services.loadbalancers": outside,
            # Each load balancer has one.
            "services.nodeports": outside,
        },
    )
    if service.priority == "urgent":
        own, forbidden = [_of_class(service, size)], _NOBODYS_CLASSES
    else:
        own, forbidden = [], ["citymesh-urgent", *_NOBODYS_CLASSES]
    return [whole, *own, _quota("forbidden", service, {"pods": "0"}, forbidden)]


def limits(service: Registration, size: Size) -> Object:
    """What a container gets that names nothing, such as those of operators' jobs."""
    largest = max(
        size.database.resources.memory_limit,
        *(pods.resources.memory_limit for pods in size.workloads),
    )
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": _metadata("tenant", service),
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "defaultRequest": {"cpu": "50m", "memory": "128Mi"},
                    "default": {"memory": "256Mi"},
                    "max": {"memory": f"{2 * largest}Mi"},
                }
            ]
        },
    }


def _of_class(service: Registration, size: Size) -> Object:
    hard = _hard(*sizes.own(size))
    return _quota("urgent", service, hard, [workload.priority_class(service)])


def _hard(pods: int, resources: Resources) -> Object:
    return {
        "pods": str(pods),
        "requests.cpu": f"{resources.cpu}m",
        "requests.memory": f"{resources.memory}Mi",
        "limits.memory": f"{resources.memory_limit}Mi",
    }


def _quota(
    name: str, service: Registration, hard: Object, classes: list[str] | None = None
) -> Object:
    spec: Object = {"hard": hard}
    if classes:
        scope = {"scopeName": "PriorityClass", "operator": "In", "values": classes}
        spec["scopeSelector"] = {"matchExpressions": [scope]}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": _metadata(name, service),
        "spec": spec,
    }


def _metadata(name: str, service: Registration) -> Object:
    return names.metadata(name, names.tenant(service.service), names.labels(service.service))
