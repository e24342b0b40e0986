"""Every folder of deploy/k8s builds, alone and in the overlays."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from meshctl.catalogue import Catalogue

from .manifests import OVERLAYS, build, folders, namespace


@pytest.mark.parametrize("folder", list(folders()))
def test_it_builds_alone(folder: str) -> None:
    assert build(folder).objects


def test_nobody_is_left_out(catalogue: Catalogue) -> None:
    found = set(folders())
    wanted = {
        "platform",
        "base/clients",
        "overlays/load",
        *(f"overlays/{name}" for name in OVERLAYS),
    }
    for service in catalogue.services:
        wanted |= {f"base/{service.service}", f"tenants/{service.service}"}
    assert wanted <= found
    services = {service.service for service in catalogue.services}
    assert {one.removeprefix("tenants/") for one in found if one.startswith("tenants/")} == services


def keys(folder: str) -> list[tuple[str, ...]]:
    """What objects a build has; without the hash that kustomize puts behind a generated name."""
    return [
        (
            found["apiVersion"].partition("/")[0],
            found["kind"],
            namespace(found),
            re.sub(r"-[a-z0-9]{10}$", "", found["metadata"]["name"]),
        )
        for found in build(folder).objects
    ]


def test_an_overlay_has_everything_once(overlay: str, catalogue: Catalogue) -> None:
    there = Counter(keys(f"overlays/{overlay}"))
    assert [key for key, times in there.items() if times > 1] == []
    parts = ["platform", "base/clients"]
    for service in catalogue.services:
        parts += [f"base/{service.service}", f"tenants/{service.service}"]
    # One broker is its own controller.
    left_out = {("kafka.strimzi.io", "KafkaNodePool", "citymesh-kafka", "controller")}
    for part in parts:
        missing = set(keys(part)) - there.keys()
        assert missing <= (left_out if overlay == "dev" else set()), part


def test_a_department_touches_only_its_own(catalogue: Catalogue) -> None:
    for service in catalogue.services:
        name = service.service
        for folder in (f"base/{name}", f"tenants/{name}"):
            for found in build(folder).objects:
                where = namespace(found) or found["metadata"]["name"]
                mine = where == f"city-{name}"
                # Strimzi's operators look into Kafka's namespace alone.
                in_kafka = where == "citymesh-kafka" and found["kind"] in (
                    "KafkaTopic",
                    "KafkaUser",
                )
                assert mine or in_kafka, f"{folder}: {found['kind']} in {where}"
