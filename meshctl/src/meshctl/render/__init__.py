"""`meshctl render`: everything of Kubernetes that registrations say, and two pages for people.

Pure functions make objects of registrations (one module per noun), `tree` lays them out as files,
`files` writes them and finds what is stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from meshctl.apply import topics as declared_topics
from meshctl.apply.topics import TopicSpec
from meshctl.catalogue import Catalogue
from meshctl.render import (
    certificate,
    clients,
    codeowners,
    edge,
    folders,
    monitoring,
    names,
    network,
    page,
    policies,
    postgres,
    scaling,
    schemas,
    services,
    sizes,
    tenant,
    topics,
    user,
    workload,
)
from meshctl.render.names import Object
from meshctl.render.sources import Department, Sources
from meshctl.render.yaml import kustomization, text

K8S = PurePosixPath("deploy/k8s")
BASE, TENANTS = K8S / "base", K8S / "tenants"
EDGE, MONITORING = K8S / "components/edge", K8S / "components/monitoring"
OWNED = (BASE, TENANTS, EDGE, MONITORING)
"""Folders in which nothing is written by hand."""
CODEOWNERS = PurePosixPath("CODEOWNERS")
PAGE = PurePosixPath("docs/catalogue.md")

Folder = Mapping[str, list[Object]]
"""Objects by the name of their file, without its ending."""


def tree(catalogue: Catalogue, sources: Sources) -> dict[PurePosixPath, str]:
    """Every rendered file of a checkout, by its path there."""
    known = declared_topics.declared(catalogue)
    found: dict[PurePosixPath, str] = {}
    for service in catalogue.services:
        department = sources.departments[service.service]
        origin = f"services/{service.service}/service.yaml"
        found |= _files(
            BASE / service.service, base(department, catalogue, known, sources.meshctl), origin
        )
        found |= _files(TENANTS / service.service, place(department, catalogue, known), origin)
    everybody = "services/*/service.yaml"
    registered = "deploy/local/clients/*.yaml"
    everyone = [service.service for service in catalogue.services]
    deployed = [*everyone]
    if catalogue.clients:
        found |= _files(BASE / "clients", of_clients(catalogue), registered)
        deployed.append("clients")
    for folder, parts in ((BASE, deployed), (TENANTS, everyone)):
        found[folder / "kustomization.yaml"] = text([kustomization(parts)], everybody)
    edges = {one.service: edge.objects(one, catalogue) for one in catalogue.services}
    found |= _files(EDGE, edges, everybody, component=True)
    found |= _files(MONITORING, watching(sources), "deploy/monitoring", component=True)
    found[CODEOWNERS] = codeowners.text(catalogue)
    found[PAGE] = page.text(catalogue)
    return found


def base(
    department: Department,
    catalogue: Catalogue,
    known: Mapping[str, TopicSpec],
    meshctl: str,
) -> Folder:
    """What a department deploys."""
    service = department.registration
    size = sizes.of(service, known)
    policy = policies.policy(service, catalogue)
    return {
        "workload": workload.objects(
            service, catalogue, size, department.version, names.digest(policy["data"])
        ),
        "services": services.objects(service, size),
        "scaling": scaling.objects(service, size),
        "folders": folders.objects(service),
        "policy": [policy],
        "certificate": [certificate.identity(service.service)],
        "network": network.objects(service, catalogue, size),
        "topics": topics.objects(service, known),
        "user": [user.user(service)],
        "schemas": schemas.objects(service, department.files, meshctl),
        "monitoring": [monitoring.pod_monitor(service)] if service.http_port else [],
    }


def place(department: Department, catalogue: Catalogue, known: Mapping[str, TopicSpec]) -> Folder:
    """Where a department is deployed: what is not its own to change."""
    service = department.registration
    size = sizes.of(service, known)
    return {
        "namespace": [
            tenant.of_service(service),
            tenant.default_deny(names.tenant(service.service)),
        ],
        "quota": [*tenant.quotas(service, catalogue, size), tenant.limits(service, size)],
        "postgres": postgres.objects(service, size),
    }


def of_clients(catalogue: Catalogue) -> Folder:
    found = {"namespace": clients.space()}
    return {**found, **{one.service: clients.objects(one) for one in catalogue.clients}}


def watching(sources: Sources) -> Folder:
    """Rules and dashboards."""
    rules = {f"rules-{stem}": [monitoring.rule(stem, one)] for stem, one in sources.rules.items()}
    return rules | {
        f"dashboard-{stem}": [monitoring.dashboard(stem, one)]
        for stem, one in sources.dashboards.items()
    }


def objects(catalogue: Catalogue, sources: Sources) -> Iterable[Object]:
    """Every rendered object but kustomize's own."""
    known = declared_topics.declared(catalogue)
    for service in catalogue.services:
        department = sources.departments[service.service]
        for folder in (
            base(department, catalogue, known, sources.meshctl),
            place(department, catalogue, known),
            {"edge": edge.objects(service, catalogue)},
        ):
            for found in folder.values():
                yield from found
    for folder in (of_clients(catalogue), watching(sources)):
        for found in folder.values():
            yield from found


def _files(
    folder: PurePosixPath, content: Folder, origin: str, *, component: bool = False
) -> dict[PurePosixPath, str]:
    """The folder's files, and the kustomization that names them."""
    filled = {f"{name}.yaml": found for name, found in content.items() if found}
    if not filled and component:
        return {}
    top = kustomization([*filled], component=component)
    return {
        folder / "kustomization.yaml": text([top], origin),
        **{folder / name: text(found, origin) for name, found in filled.items()},
    }
