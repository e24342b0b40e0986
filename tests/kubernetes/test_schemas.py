"""Every object is one that the API server takes, with no field that it would drop; and a typo in
any kind is found."""

from __future__ import annotations

import copy
import functools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from . import schemas
from .manifests import K8S, OVERLAYS, ROOT, Object, World, build, folders

needs_shared = pytest.mark.skipif(
    not schemas.SHARED.is_dir(),
    reason=f"{schemas.SHARED} is not there: the operators' kinds cannot be checked",
)
pytestmark = needs_shared

# Below these every key is somebody's own word.
FREE = {
    *("annotations", "binaryData", "data", "labels", "matchLabels", "nodeSelector", "stringData"),
    *("limits", "requests", "hard", "default", "defaultRequest", "max", "min"),
    "parameters",
}
FREE_OF_KIND = {
    "Kafka": {"config"},
    "KafkaTopic": {"config"},
    "ScaledObject": {"metadata"},
    "Service": {"selector"},
}
Path = tuple[str | int, ...]


@pytest.mark.parametrize("kubernetes", [schemas.OLDEST, schemas.KUBERNETES])
def test_the_overlay_is_valid(world: World, kubernetes: str) -> None:
    assert [one for found in world.objects for one in schemas.problems(found, kubernetes)] == []


@pytest.mark.parametrize("folder", [one for one in folders() if not one.startswith("overlays/")])
def test_each_folder_is_valid(folder: str) -> None:
    assert [one for found in build(folder).objects for one in schemas.problems(found)] == []


def test_the_docs_name_the_versions_that_are_checked_against() -> None:
    docs = (ROOT / "docs" / "for-sres.md").read_text("utf-8")
    assert f"Kubernetes {schemas.KUBERNETES} ({schemas.OLDEST} at the least" in docs
    own = "".join(file.read_text("utf-8")[:200] for file in sorted(schemas.OWN.glob("*.yaml")))
    for operator in ("CloudNativePG", "Barman Cloud plug-in"):
        named = re.search(rf"{operator}[^|\n]*\| (\d+\.\d+)", docs)
        assert named is not None, operator
        assert re.search(rf"{operator}[^\n]* {re.escape(named[1])}\.", own), (operator, named[1])


def test_no_kind_passes_unknown() -> None:
    stranger = {"apiVersion": "example.org/v1", "kind": "Stranger", "metadata": {"name": "one"}}
    assert schemas.problems(stranger) == [
        "Stranger /one: no schema is known of example.org/v1 Stranger"
    ]
    old = {"apiVersion": "kafka.strimzi.io/v1beta2", "kind": "Kafka", "metadata": {"name": "one"}}
    assert schemas.problems(old)


def places(found: Object) -> Iterator[tuple[Path, Any]]:
    """Every key of the object outside of what is free, with what it holds."""
    free = FREE | FREE_OF_KIND.get(found["kind"], set())

    def below(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
        if isinstance(node, dict):
            for key, value in node.items():
                yield (*path, key), value
                # An object's own metadata is known; that of a trigger is the trigger's.
                if key not in free or (*path, key) == ("metadata",):
                    yield from below(value, (*path, key))
        elif isinstance(node, list):
            for index, value in enumerate(node):
                yield from below(value, (*path, index))

    yield from below(found, ())


@functools.cache
def shapes() -> dict[tuple[str | int, ...], tuple[Object, Path, Any]]:
    """Every key of every kind in the overlays, whatever the index in a list: one object of each."""
    found: dict[tuple[str | int, ...], tuple[Object, Path, Any]] = {}
    for overlay in (*OVERLAYS, "load"):
        for one in build(f"overlays/{overlay}").copy().objects:
            for path, value in places(one):
                words = (step for step in path if isinstance(step, str))
                found.setdefault((one["apiVersion"], one["kind"], *words), (one, path, value))
    return found


def sample(kind: str) -> Object:
    """An object of the kind, to be changed at will."""
    return copy.deepcopy(build("overlays/city").of(kind)[0])


def node_of(found: Object, path: Path) -> Any:
    """What holds the last step of the path."""
    node: Any = found
    for step in path[:-1]:
        node = node[step]
    return node


def typos(word: str) -> set[str]:
    """A letter too much, a letter changed in size."""
    return {word + word[-1], word[0].swapcase() + word[1:], word.lower()} - {word}


def test_a_typo_in_any_kind_is_found() -> None:
    """Each key of each kind, at any depth, misspelt one at a time."""
    missed = []
    for shape, (found, path, value) in shapes().items():
        node, key = node_of(found, path), str(path[-1])
        del node[key]
        for wrong in typos(key):
            node[wrong] = value
            if schemas.is_valid(found):
                missed.append(f"{shape} as {wrong}")
            del node[wrong]
        node[key] = value
    assert missed == []


def test_a_wrong_type_in_any_kind_is_found() -> None:
    missed = []
    for shape, (found, path, value) in shapes().items():
        node, key = node_of(found, path), path[-1]
        for wrong in wrong_types(value):
            node[key] = wrong
            if schemas.is_valid(found):
                missed.append(f"{shape} = {wrong!r}")
        node[key] = value
    assert missed == []


def wrong_types(value: Any) -> list[Any]:
    match value:
        case dict() | list():
            return [None, "text", 3]
        case bool():
            return [None, "yes", 1, {"a": 1}]
        case str():
            return [None, True, {"a": 1}]
    return [None, [value], {"a": 1}]


def test_every_kind_has_its_keys_misspelt() -> None:
    kinds = {one["kind"] for name in OVERLAYS for one in build(f"overlays/{name}").objects}
    planted = Counter(kind for _, kind, *_ in shapes())
    assert planted.keys() == kinds
    # Each has at least apiVersion, kind, metadata and a name.
    assert min(planted.values()) >= 4
    assert planted["Deployment"] > 80
    assert planted["Kafka"] > 40


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Deployment", ("spec", "selector")),
        ("StatefulSet", ("spec", "template")),
        ("KafkaUser", ("spec", "authorization", "acls")),
        ("Kafka", ("spec", "kafka")),
        ("KafkaNodePool", ("spec", "roles")),
        ("Certificate", ("spec", "secretName")),
        ("ScaledObject", ("spec", "triggers")),
        ("PodMonitor", ("spec", "selector")),
        ("PrometheusRule", ("spec",)),
    ],
)
def test_what_must_be_there_must_be_there(kind: str, path: Path) -> None:
    found = sample(kind)
    del node_of(found, path)[path[-1]]
    assert schemas.problems(found)


def test_it_is_as_strict_as_kubernetes_validate_itself() -> None:
    """The validator is made once per kind here; what it says is what the package says."""
    for kind in sorted({one["kind"] for one in build("overlays/city").objects}):
        found = sample(kind)
        if schemas.is_core(found["apiVersion"]):
            kubernetes_validate.validate(found, schemas.KUBERNETES, strict=True)
            found["spekk"] = {}
            with pytest.raises(kubernetes_validate.ValidationError):
                kubernetes_validate.validate(found, schemas.KUBERNETES, strict=True)
            assert schemas.problems(found)


def test_a_value_that_only_the_api_server_knows_is_checked() -> None:
    policy = sample("NetworkPolicy")
    policy["spec"]["policyTypes"] = ["Out"]
    assert schemas.problems(policy)
    named = sample("NetworkPolicy")
    named["metadata"]["name"] = "No_Name"
    assert schemas.problems(named)
    sized = sample("ResourceQuota")
    sized["spec"]["hard"]["requests.memory"] = "10 GB"
    assert schemas.problems(sized)
    twice = sample("Deployment")
    container = twice["spec"]["template"]["spec"]["containers"][0]
    container["env"].append(container["env"][0])
    assert schemas.problems(twice)


def test_components_are_read_by_an_overlay() -> None:
    """A component that no overlay names is checked by nobody."""
    named = "".join(
        (K8S / "overlays" / name / "kustomization.yaml").read_text("utf-8") for name in OVERLAYS
    )
    for component in sorted((K8S / "components").iterdir()):
        assert f"components/{component.name}" in named, component.name
