"""What a department's pods put into the environment, read by the service's own Settings class."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from city_backbone.errors import SettingsError
from city_backbone.registration import Registration
from city_backbone.settings import ServiceSettings, load
from pydantic import BaseModel

from . import references
from .manifests import Object, Pod, World, catalogue

# What CloudNativePG's Secret would say.
_DSN = "postgresql://app:p@postgres-rw.city:5432/app"


class Unset(Exception):
    """A variable has no value."""


def settings_type(service: str) -> type[ServiceSettings]:
    found: type[ServiceSettings] = getattr(
        importlib.import_module(f"{service}.settings"), f"{service.capitalize()}Settings"
    )
    return found


def environment(world: World, pod: Pod, container: Object, own: Registration) -> dict[str, str]:
    """The variables as the container gets them, with stand-ins for secrets. Raises Unset."""
    found = image(own)
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            name = source["configMapRef"]["name"]
            found |= world.find("ConfigMap", name, pod.namespace).get("data", {})
        elif source["secretRef"]["name"] == "settings":
            found |= _secret(pod, "settings")
    for variable in container.get("env", []):
        name = variable["name"]
        found[name] = _expanded(name, _value(world, pod, variable, own), found)
    return found


def image(own: Registration) -> dict[str, str]:
    """What the service's image says by itself."""
    content = (own.path.parent / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    last = content[content.rindex("\nFROM ") :]
    return {
        name: value
        for line in re.findall(r"^ENV (.*)$", last, re.MULTILINE)
        for name, value in re.findall(r"(\w+)=(\S+)", line)
        if name.startswith(f"{own.service.upper()}_")
    }


def _secret(pod: Pod, name: str) -> Mapping[str, str]:
    made = references.outside(catalogue())
    return made[pod.namespace][name]


def _expanded(name: str, value: str, found: Mapping[str, str]) -> str:
    """As Kubernetes does it: `$(NAME)` is what stands before, `$$(NAME)` is meant as it is."""

    def expand(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        if match[2] not in found:
            raise Unset(f"{name}: $({match[2]}) is not set before it")
        return found[match[2]]

    return re.sub(r"(\$?)\$\((\w+)\)", expand, value)


def _value(world: World, pod: Pod, variable: Object, own: Registration) -> str:
    if "value" in variable:
        return str(variable["value"])
    source = variable.get("valueFrom", {})
    match source:
        case {"fieldRef": {"fieldPath": "metadata.name"}}:
            return f"{pod.name}-0"
        case {"fieldRef": {"fieldPath": "status.podIP"}}:
            return "10.244.0.10"
        case {"configMapKeyRef": {"name": name, "key": key}}:
            return str(world.find("ConfigMap", name, pod.namespace)["data"][key])
        case {"secretKeyRef": {"name": name, "key": key}}:
            return _DSN if (name, key) == ("postgres-app", "uri") else _secret(pod, name)[key]
    raise Unset(f"{variable['name']}: {source}")


def loaded(world: World, pod: Pod, own: Registration) -> ServiceSettings:
    """The settings that the pod starts with. Raises SettingsError and Unset."""
    values = environment(world, pod, pod.spec["containers"][0], own)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        return load(settings_type(own.service))


def problems(world: World, pod: Pod, own: Registration) -> list[str]:
    """Why the pod would not start, or start with a variable that nobody reads."""
    try:
        loaded(world, pod, own)
    except (SettingsError, Unset) as error:
        return [f"{pod.path}: {error}"]
    prefix = f"{own.service.upper()}_"
    known = set(_names(settings_type(own.service)))
    names = environment(world, pod, pod.spec["containers"][0], own)
    return [
        f"{pod.path}: {name} is no setting"
        for name in sorted(names)
        if name.startswith(prefix) and name.removeprefix(prefix) not in known
    ]


def _names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name.upper()
        for inner in _models(field.annotation):
            yield from (f"{name.upper()}__{below}" for below in _names(inner))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def files(settings: BaseModel) -> Iterator[tuple[str, str]]:
    """Every path among the settings: its name and what it is."""
    for name, value in settings:
        if isinstance(value, BaseModel):
            yield from ((f"{name}.{inner}", path) for inner, path in files(value))
        elif hasattr(value, "is_absolute"):
            yield name, str(value)
