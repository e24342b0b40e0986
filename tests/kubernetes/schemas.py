"""Strict validation of objects: a field that the kind does not have is refused, at any depth.

Kubernetes' own kinds by kubernetes-validate, operators' kinds by their CustomResourceDefinitions:
`../shared/crds`, and `crds/` here for what is not there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate.utils  # type: ignore[import-untyped]
import referencing.jsonschema
import yaml

from .manifests import ROOT, Object, told

KUBERNETES = "1.35"
OLDEST = "1.34"
SHARED = ROOT.parent / "shared" / "crds"
OWN = Path(__file__).parent / "crds"

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9][a-z0-9.-]*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_QUANTITIES = ("limits", "requests", "hard", "default", "defaultRequest", "max", "min")

# The API server knows these values, its published schema does not.
VALUES: dict[str, tuple[str, ...]] = {
    "accessModes": ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"),
    "concurrencyPolicy": ("Allow", "Forbid", "Replace"),
    "dnsPolicy": ("ClusterFirst", "Default", "None", "ClusterFirstWithHostNet"),
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "pathType": ("Exact", "ImplementationSpecific", "Prefix"),
    "podManagementPolicy": ("OrderedReady", "Parallel"),
    "policyTypes": ("Ingress", "Egress"),
    "preemptionPolicy": ("PreemptLowerPriority", "Never"),
    "protocol": ("TCP", "UDP", "SCTP"),
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "unhealthyPodEvictionPolicy": ("AlwaysAllow", "IfHealthyBudget"),
    "whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
}


def problems(found: Object, kubernetes: str = KUBERNETES) -> list[str]:
    """Why the API server would not take the object as it is meant; empty when it would."""
    return list(_problems(found, kubernetes))


def is_valid(found: Object) -> bool:
    return next(_problems(found, KUBERNETES), None) is None


def _problems(found: Object, kubernetes: str) -> Iterator[str]:
    kind, version = found.get("kind"), found.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(version, str):
        yield f"{told(found)}: expected apiVersion and kind"
        return
    validator = _validator(version, kind, kubernetes)
    if validator is None:
        yield f"{told(found)}: no schema is known of {version} {kind}"
        return
    for error in validator.iter_errors(found):
        yield f"{told(found)}: {error.json_path}: {error.message[:300]}"
    if isinstance(found.get("metadata"), dict):
        yield from (f"{told(found)}: {problem}" for problem in _unsaid(found))
    else:
        yield f"{told(found)}: metadata: expected a mapping"


def is_core(version: str) -> bool:
    """Whether the kind is one of Kubernetes' own."""
    group = version.rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


def _unsaid(found: Object) -> Iterator[str]:
    """What no schema says and the API server demands."""
    metadata = found["metadata"]
    if not _NAME.fullmatch(str(metadata.get("name", ""))):
        yield f"metadata.name {metadata.get('name')!r} is no DNS subdomain"
    labels_only = found["kind"] in ("Service", "Namespace")
    if labels_only and not _DNS_LABEL.fullmatch(metadata["name"]):
        yield f"metadata.name {metadata['name']!r} is no DNS label"
    yield from _values(found, "", is_core(found["apiVersion"]))


def _values(node: Any, path: str, core: bool) -> Iterator[str]:
    if node is None:
        yield f"{path}: null is as if it was not there"
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _values(value, f"{path}[{index}]", core)
    elif isinstance(node, dict):
        for key, value in node.items():
            below = f"{path}.{key}"
            yield from _values(value, below, core)
            of_objects = below.endswith(".metadata.labels") or key == "matchLabels"
            if of_objects and isinstance(value, dict):
                yield from _labels(value, below)
            if core and key in VALUES:
                given = value if isinstance(value, list) else [value]
                yield from (
                    f"{below}: {one!r} is none of {', '.join(VALUES[key])}"
                    for one in given
                    if isinstance(one, str) and one not in VALUES[key]
                )
            if core and key in _QUANTITIES and isinstance(value, dict):
                yield from (
                    f"{below}.{name}: {one!r} is no quantity"
                    for name, one in value.items()
                    if not _QUANTITY.fullmatch(str(one))
                )


def _labels(labels: Object, path: str) -> Iterator[str]:
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(str(value)):
            yield f"{path}: {key}={value} is no label"


@functools.cache
def _validator(version: str, kind: str, kubernetes: str) -> Any:
    schema = _core(version, kind, kubernetes) or _custom().get((version, kind))
    if schema is None:
        return None
    registry = referencing.Registry().with_resource(
        "https://kubernetes.io/api/_definitions.json",
        referencing.Resource.from_contents(_read("_definitions", kubernetes)),
    )
    return _Strict(schema, registry=registry)


@functools.cache
def _read(name: str, kubernetes: str) -> Any:
    folder = f"kubernetes-json-schema/v{kubernetes}.0-local-strict"
    return kubernetes_validate.utils.schema_contents(f"{folder}/{name}.json", kubernetes)


def _core(version: str, kind: str, kubernetes: str) -> Any:
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", version)
    if not is_core(version) or not re.fullmatch(r"\w+", kind):
        return None
    try:
        return _read(f"{kind.lower()}-{name}", kubernetes)
    except FileNotFoundError:
        return None


@functools.cache
def _custom() -> dict[tuple[str, str], Any]:
    """Schemas of the operators' kinds by apiVersion and kind."""
    found: dict[tuple[str, str], Any] = {}
    for file in sorted([*SHARED.glob("*.yaml"), *OWN.glob("*.yaml")]):
        for definition in yaml.load_all(file.read_text(encoding="utf-8"), yaml.CSafeLoader):
            if not definition:
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                found[key] = _root(version["schema"]["openAPIV3Schema"], *key)
    return found


def _root(schema: Any, version: str, kind: str) -> Any:
    made = strict(schema)
    properties = {name: one for name, one in made["properties"].items() if name != "status"}
    properties["apiVersion"] = {"enum": [version]}
    properties["kind"] = {"enum": [kind]}
    properties["metadata"] = {"$ref": f"https://kubernetes.io/api/_definitions.json#/$defs/{_META}"}
    required = {*made.get("required", []), "apiVersion", "kind", "metadata"}
    return {**made, "properties": properties, "required": sorted(required)}


def strict(schema: Any) -> Any:
    """A structural OpenAPI schema as a JSON schema that refuses what it does not name.

    What stands in allOf, anyOf, oneOf and not only narrows values: what there is, is named outside.
    """
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {name: strict(one) for name, one in made["properties"].items()}
        defaults = {name for name, one in made["properties"].items() if "default" in one}
        made["required"] = [name for name in made.get("required", []) if name not in defaults]
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(made["additionalProperties"])
    if "items" in made:
        made["items"] = strict(made["items"])
    for bound in ("Minimum", "Maximum"):
        if made.pop(f"exclusive{bound}", False):
            made[f"exclusive{bound}"] = made.pop(bound.lower())
    free = made.get("x-kubernetes-preserve-unknown-fields", False)
    if made.get("x-kubernetes-embedded-resource"):
        own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}
        made["properties"] = {**own, **made.get("properties", {})}
    if made.get("type") == "object" and not free:
        made.setdefault("additionalProperties", False)
    if made.pop("x-kubernetes-int-or-string", False):
        made.pop("type", None)
        made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


def _distinct(validator: Any, keys: Any, value: Any, schema: Any) -> Iterator[Any]:
    """The items of a list that is a map differ in its keys."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return
    seen = [tuple(str(one.get(key)) for key in keys) for one in value]
    for key in sorted({one for one in seen if seen.count(one) > 1}):
        yield jsonschema.ValidationError(f"{' '.join(key)} is there more than once")


_Strict: Any = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, {"x-kubernetes-list-map-keys": _distinct}
)
