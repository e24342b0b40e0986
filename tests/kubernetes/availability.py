"""Replicas, disruption budgets, scaling and quotas: whether they agree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from city_backbone.registration import Registration
from meshctl.apply import topics

from .manifests import Object, Pod, World, differences, namespace, selects, told

BOOTSTRAP = "city-kafka-bootstrap.citymesh-kafka.svc:9093"
SPREAD = {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}

_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}


def quantity(value: object) -> Decimal:
    """The number that a Kubernetes quantity stands for."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", str(value))
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{value!r} is no quantity")
    return Decimal(match[1]) * _UNITS[match[2]]


def scalers(world: World, pod: Pod) -> list[Object]:
    """What scales a workload."""
    return [
        found
        for kind in ("HorizontalPodAutoscaler", "ScaledObject")
        for found in world.of(kind, pod.namespace)
        if found["spec"]["scaleTargetRef"]["name"] == pod.name
        and found["spec"]["scaleTargetRef"].get("kind", "Deployment") == pod.owner["kind"]
    ]


def replicas(world: World, pod: Pod) -> tuple[int, int]:
    """The least and the most pods of a workload."""
    if not pod.lasts:
        return 1, 1
    for scaler in scalers(world, pod):
        spec = scaler["spec"]
        if scaler["kind"] == "ScaledObject":
            return spec.get("minReplicaCount", 0), spec.get("maxReplicaCount", 100)
        return spec.get("minReplicas", 1), spec["maxReplicas"]
    count = pod.owner["spec"].get("replicas", 1)
    return count, count


def budget_problems(world: World, single: bool) -> list[str]:
    """Workloads of which nothing can be evicted, or everything at once.

    `single`: one pod of a kind is enough here, and it may be evicted.
    """
    found = []
    for pod in (one for one in world.pods if one.lasts):
        least, _ = replicas(world, pod)
        budgets = [
            one
            for one in world.of("PodDisruptionBudget", pod.namespace)
            if selects(one["spec"].get("selector"), pod.labels)
        ]
        if len(budgets) != 1:
            found.append(f"{pod.path}: {len(budgets)} disruption budgets, expected one")
            continue
        spec = budgets[0]["spec"]
        if "maxUnavailable" in spec:
            evictable = _share(spec["maxUnavailable"], least)
        else:
            evictable = least - _share(spec["minAvailable"], least)
        if evictable < 1:
            found.append(f"{pod.path}: none of {least} pods can be evicted")
        if evictable >= least and not (single and least == 1):
            found.append(f"{pod.path}: all of {least} pods can be evicted at once")
    return found


def _share(value: int | str, of: int) -> int:
    """A count or a percentage; Kubernetes rounds up."""
    if isinstance(value, int):
        return value
    return -(-of * int(value.removesuffix("%")) // 100)


def scaling_problems(
    world: World, registrations: Iterable[Registration], single: bool
) -> list[str]:
    """Where scaling does not fit to partitions, or two things decide about replicas."""
    known = tuple(registrations)
    partitions = {name: one.partitions for name, one in topics.declared(known).items()}
    found = []
    for pod in (one for one in world.pods if one.lasts):
        least, most = replicas(world, pod)
        if not 1 <= least <= most:
            found.append(f"{pod.path}: from {least} to {most} pods")
        mine = scalers(world, pod)
        if len(mine) > 1:
            found.append(f"{pod.path}: scaled by {', '.join(told(one) for one in mine)}")
        if mine and "replicas" in pod.owner["spec"]:
            found.append(f"{pod.path}: each apply would undo what {told(mine[0])} decided")
    for registration in known:
        if registration.is_client:
            continue
        consumed = {one.topic: partitions[one.topic] for one in registration.consumes}
        space, name = f"city-{registration.service}", registration.service
        for pod in (one for one in world.pods_of(space) if one.lasts):
            expected = "ScaledObject" if pod.name.endswith("-stream") else "HorizontalPodAutoscaler"
            kinds = [one["kind"] for one in scalers(world, pod)]
            if kinds != [expected] and not (single and not kinds):
                found.append(f"{pod.path}: scaled by {kinds or 'nothing'}, expected {expected}")
        for scaled in world.of("ScaledObject", space):
            most = scaled["spec"].get("maxReplicaCount", 100)
            if most != max(consumed.values()) and not (single and most < max(consumed.values())):
                found.append(f"{told(scaled)}: up to {most}, expected {max(consumed.values())}")
            found += _trigger_problems(scaled, name, consumed)
    return found


def _trigger_problems(scaled: Object, group: str, consumed: Iterable[str]) -> Iterator[str]:
    seen = []
    for trigger in scaled["spec"]["triggers"]:
        metadata = trigger["metadata"]
        seen.append(metadata.get("topic"))
        fixed = {"bootstrapServers": BOOTSTRAP, "consumerGroup": group}
        wrong = [key for key, value in fixed.items() if metadata.get(key) != value]
        wrong += [key for key, value in metadata.items() if not isinstance(value, str)]
        if trigger["type"] != "kafka" or wrong or "lagThreshold" not in metadata:
            yield f"{told(scaled)}: trigger of {metadata.get('topic')}: {', '.join(wrong)}"
        if metadata.get("allowIdleConsumers", "false") != "false":
            yield f"{told(scaled)}: more pods than partitions may be started"
    yield from differences(f"{told(scaled)}: trigger", seen, consumed)


def spread_problems(world: World) -> list[str]:
    """Workloads whose pods may all be on one machine or in one zone."""
    return [
        f"{pod.path}: not spread over {missing}"
        for pod in world.pods
        if pod.lasts and replicas(world, pod)[1] > 1
        for missing in sorted(
            SPREAD - {one["topologyKey"] for one in pod.spec.get("topologySpreadConstraints", [])}
        )
    ]


def quota_problems(world: World) -> list[str]:
    """Namespaces whose quota is less than what their workloads may grow to."""
    found = []
    for quota in world.of("ResourceQuota"):
        needed = needs(world, namespace(quota), _priorities(quota))
        for what, limit in quota["spec"].get("hard", {}).items():
            if what in needed and needed[what] > quantity(limit):
                found.append(f"{told(quota)}: {what} {limit} is less than {needed[what]}")
    return found


def _priorities(quota: Object) -> set[str] | None:
    """The priority classes whose pods the quota is for; None for every pod's."""
    terms = quota["spec"].get("scopeSelector", {}).get("matchExpressions", [])
    for term in terms:
        if (term["scopeName"], term["operator"]) == ("PriorityClass", "In"):
            return set(term["values"])
    return None


def needs(world: World, within: str, priorities: set[str] | None = None) -> dict[str, Decimal]:
    """What a namespace's workloads take at most, one pod more of a Deployment while it rolls."""
    total: dict[str, Decimal] = {"pods": Decimal(0)}

    def add(resources: Object, count: int) -> None:
        total["pods"] += count
        for kind in ("requests", "limits"):
            for what, value in resources.get(kind, {}).items():
                key = f"{kind}.{what}"
                total[key] = total.get(key, Decimal(0)) + quantity(value) * count
                if kind == "requests":
                    total[what] = total[key]

    def counted(priority: str | None) -> bool:
        return priorities is None or priority in priorities

    for pod in world.pods_of(within):
        if not counted(pod.spec.get("priorityClassName")):
            continue
        most = replicas(world, pod)[1] + (pod.owner["kind"] == "Deployment")
        total["pods"] -= most * (len(pod.spec["containers"]) - 1)
        for container in pod.spec["containers"]:
            add(container.get("resources", {}), most)
    for cluster in world.of("Cluster", within):
        if not counted(cluster["spec"].get("priorityClassName")):
            continue
        add(cluster["spec"].get("resources", {}), cluster["spec"].get("instances", 1))
    return total
