"""What kustomize makes of a folder of deploy/k8s, and how the tests look into it."""

from __future__ import annotations

import copy
import functools
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from meshctl.catalogue import Catalogue, load
from meshctl.settings import Settings

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy" / "k8s"
OVERLAYS = ("dev", "city")
KUSTOMIZE = Path(sys.executable).with_name("kustomize")

Object = dict[str, Any]
Labels = Mapping[str, str]

_TEMPLATES: dict[str, Callable[[Object], Object]] = {
    "Deployment": lambda found: found["spec"]["template"],
    "StatefulSet": lambda found: found["spec"]["template"],
    "DaemonSet": lambda found: found["spec"]["template"],
    "Job": lambda found: found["spec"]["template"],
    "CronJob": lambda found: found["spec"]["jobTemplate"]["spec"]["template"],
    "Pod": lambda found: found,
}


def told(found: Object) -> str:
    """An object as messages name it."""
    metadata = found.get("metadata")
    if not isinstance(metadata, dict):
        return str(found.get("kind"))
    return f"{found.get('kind')} {metadata.get('namespace', '')}/{metadata.get('name')}"


def namespace(found: Object) -> str:
    """Where the object is; empty for one of the whole cluster."""
    return str(found["metadata"].get("namespace", ""))


@dataclass(frozen=True)
class Pod:
    """A pod as its template makes it."""

    owner: Object
    template: Object

    @property
    def name(self) -> str:
        """The name of what makes the pod."""
        return str(self.owner["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return namespace(self.owner)

    @property
    def path(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def labels(self) -> dict[str, str]:
        labels: dict[str, str] = self.template["metadata"].get("labels", {})
        return labels

    @property
    def spec(self) -> Object:
        spec: Object = self.template["spec"]
        return spec

    @property
    def containers(self) -> list[Object]:
        """Those that start first too."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        """Numbers of the named container ports."""
        return {
            port["name"]: port["containerPort"]
            for container in self.containers
            for port in container.get("ports", [])
            if "name" in port
        }

    @property
    def lasts(self) -> bool:
        """Whether it is to run for good."""
        return self.owner["kind"] not in ("Job", "CronJob")


@dataclass(frozen=True)
class World:
    """Every object of one build."""

    objects: list[Object]

    def of(self, kind: str, within: str | None = None) -> list[Object]:
        """The objects of a kind, of one namespace or of all."""
        return [
            found
            for found in self.objects
            if found["kind"] == kind and within in (None, namespace(found))
        ]

    def find(self, kind: str, name: str, within: str | None = None) -> Object:
        """Exactly one object."""
        found = [one for one in self.of(kind, within) if one["metadata"]["name"] == name]
        assert len(found) == 1, f"{kind} {within or ''}/{name}: expected one, found {len(found)}"
        return found[0]

    def has(self, kind: str, name: str, within: str = "") -> bool:
        return any(one["metadata"]["name"] == name for one in self.of(kind, within))

    @functools.cached_property
    def pods(self) -> list[Pod]:
        return [
            Pod(found, _TEMPLATES[found["kind"]](found))
            for found in self.objects
            if found["kind"] in _TEMPLATES
        ]

    def pods_of(self, within: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.namespace == within]

    def namespace_labels(self, name: str) -> dict[str, str]:
        """The labels of a namespace, with the one that Kubernetes itself sets."""
        own = {"kubernetes.io/metadata.name": name}
        for found in self.of("Namespace"):
            if found["metadata"]["name"] == name:
                return {**found["metadata"].get("labels", {}), **own}
        return own

    def copy(self) -> World:
        """Another one to break."""
        return World(copy.deepcopy(self.objects))


def selects(selector: Object | None, labels: Labels) -> bool:
    """Whether a LabelSelector matches; an empty one matches all, none matches nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_matches(one, labels) for one in selector.get("matchExpressions", []))


def _matches(expression: Object, labels: Labels) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"operator {expression['operator']!r}")


@functools.cache
def catalogue() -> Catalogue:
    """Every registration of the repository."""
    return load(Settings(root=ROOT))


def folders() -> Iterator[str]:
    """Everything under deploy/k8s that can be applied alone."""
    for kustomization in sorted(K8S.glob("**/kustomization.yaml")):
        content = yaml.safe_load(kustomization.read_text(encoding="utf-8"))
        if content.get("kind") != "Component":
            yield str(kustomization.parent.relative_to(K8S))


@functools.cache
def build(folder: str) -> World:
    """The objects of a folder of deploy/k8s; each folder is built once per process."""
    assert KUSTOMIZE.exists(), f"{KUSTOMIZE} is missing: `make test` builds it"
    done = subprocess.run(
        [str(KUSTOMIZE), "build", str(K8S / folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"deploy/k8s/{folder} does not build: {done.stderr}"
    assert not done.stderr.strip(), f"deploy/k8s/{folder}: kustomize warns: {done.stderr}"
    return parse(done.stdout)


def parse(text: str) -> World:
    return World([found for found in yaml.load_all(text, yaml.CSafeLoader) if found])


def differences(what: str, found: Iterable[Any], wanted: Iterable[Any]) -> list[str]:
    """What is missing and what is too much, each told."""
    have, want = set(found), set(wanted)
    missing = [f"{what} missing: {one}" for one in sorted(want - have, key=str)]
    return missing + [f"{what} too much: {one}" for one in sorted(have - want, key=str)]
