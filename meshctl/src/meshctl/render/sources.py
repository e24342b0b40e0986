"""What rendering reads beside the registrations: versions, schemas, rules, dashboards."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from city_backbone.registration import Registration

from meshctl.catalogue import Catalogue
from meshctl.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Department:
    """A registration, the version of its code, and the texts that its schemas' Job needs: its
    service.yaml and events/<schema>, by their paths in its folder."""

    registration: Registration
    version: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sources:
    """Departments by name; Prometheus' rules and Grafana's dashboards by their files' stems."""

    departments: Mapping[str, Department]
    rules: Mapping[str, Any]
    dashboards: Mapping[str, str]
    meshctl: str


def read(root: Path, catalogue: Catalogue) -> Sources:
    """Everything of a checkout. Raises SettingsError naming the file that cannot be read."""
    watching = root / "deploy" / "monitoring"
    return Sources(
        departments={one.service: _department(one) for one in catalogue.services},
        rules={file.stem: _rules(file) for file in sorted(watching.glob("rules/*.yaml"))},
        dashboards={file.stem: _text(file) for file in sorted(watching.glob("dashboards/*.json"))},
        meshctl=metadata.version("city-meshctl"),
    )


def _department(registration: Registration) -> Department:
    folder = registration.path.parent
    schemas = sorted({f"events/{one.schema_file}" for one in registration.produces})
    files = {"service.yaml": _text(registration.path)}
    files |= {name: _text(folder / name) for name in schemas}
    return Department(registration, _version(folder / "pyproject.toml"), files)


def _version(file: Path) -> str:
    try:
        return str(tomllib.loads(_text(file))["project"]["version"])
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise SettingsError(f"{file}: expected project.version: {error}") from error


def _rules(file: Path) -> Any:
    try:
        return yaml.safe_load(_text(file))
    except yaml.YAMLError as error:
        raise SettingsError(f"{file}: not YAML: {error}") from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from error
