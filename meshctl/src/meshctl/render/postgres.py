"""A department's own PostgreSQL, run by CloudNativePG."""

from __future__ import annotations

from city_backbone.registration import Registration

from meshctl.render import monitoring, names, network, sizes
from meshctl.render.names import Object
from meshctl.render.sizes import Size

_MAJOR = 18
_PODS = {"cnpg.io/cluster": names.POSTGRES}
_INSTANCES = {**_PODS, "cnpg.io/podRole": "instance"}


def objects(service: Registration, size: Size) -> list[Object]:
    return [
        _cluster(service, size),
        *_policies(service.service),
        monitoring.postgres_monitor(service.service),
    ]


def _cluster(service: Registration, size: Size) -> Object:
    name, database = service.service, size.database
    memory = database.resources.memory
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": names.metadata(names.POSTGRES, names.tenant(name), names.labels(name)),
        "spec": {
            "instances": database.instances,
            # CloudNativePG publishes the catalogue; an update of it rolls the databases.
            "imageCatalogRef": {
                "apiGroup": "postgresql.cnpg.io",
                "kind": "ClusterImageCatalog",
                "name": "postgresql",
                "major": _MAJOR,
            },
            "bootstrap": {"initdb": {"database": name, "owner": name, "dataChecksums": True}},
            "postgresql": {
                # What is committed is on two machines; with one alone, writing waits.
                "synchronous": {"method": "any", "number": 1, "dataDurability": "required"},
                "parameters": {
                    "max_connections": str(database.connections),
                    "shared_buffers": f"{memory // 4}MB",
                    "effective_cache_size": f"{memory * 5 // 8}MB",
                    "log_min_duration_statement": "1000",
                },
            },
            "priorityClassName": "citymesh-platform",
            "affinity": {
                "podAntiAffinityType": "required",
                "topologyKey": "kubernetes.io/hostname",
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "topology.kubernetes.io/zone",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": _PODS},
                }
            ],
            "storage": {"size": f"{database.storage}Gi"},
            "resources": sizes.container(database.resources),
        },
    }


def _policies(service: str) -> list[Object]:
    """Its department, its own instances, its operator and Prometheus reach it.

    Instances tell the API server how they are and read from it who leads. Its address is the
    cluster's: the overlay names it.
    """
    own, instances = ({"podSelector": {"matchLabels": pods}} for pods in (_PODS, _INSTANCES))
    department = {"podSelector": {"matchLabels": names.selector(service)}}
    operator = network.namespace(names.DATABASES, {names.NAME: "cloudnative-pg"})
    sql, status = names.POSTGRES_PORT, names.POSTGRES_STATUS_PORT
    reached = [
        {"from": [department, own], "ports": network.ports(sql)},
        {"from": [instances], "ports": network.ports(status)},
        {"from": [operator], "ports": network.ports(sql, status)},
        {
            "from": [network.namespace(names.MONITORING)],
            "ports": network.ports(names.POSTGRES_METRICS_PORT),
        },
    ]
    reaches = [network.dns(), {"to": [own], "ports": network.ports(sql, status)}]
    anywhere = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": network.ports(443, 6443)}
    return [
        network.policy(names.POSTGRES, service, _PODS, ingress=reached, egress=reaches),
        network.policy("api-server", service, _PODS, egress=[anywhere]),
    ]
