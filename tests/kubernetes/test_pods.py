"""Pods as they are to be: restricted, scaled, evictable, started with settings that can be read."""

from __future__ import annotations

from meshctl.catalogue import Catalogue

from . import availability, pods, references, restricted, settings
from .manifests import World


def test_pods_are_restricted(world: World) -> None:
    for pod in world.pods:
        assert restricted.problems(pod.spec) == [], pod.path
        assert restricted.hardening_problems(pod.spec) == [], pod.path


def test_every_namespace_of_ours_enforces_the_restricted_standard(world: World) -> None:
    for space in world.of("Namespace"):
        labels = world.namespace_labels(space["metadata"]["name"])
        assert labels.get("pod-security.kubernetes.io/enforce") == "restricted", space


def test_departments_pods_are_what_their_registration_says(
    world: World, catalogue: Catalogue
) -> None:
    assert pods.problems(world, catalogue.services) == []


def test_only_what_is_urgent_is_urgent(world: World, catalogue: Catalogue) -> None:
    assert pods.priority_problems(world, catalogue.services) == []


def test_settings_can_be_read_and_no_variable_is_misspelt(
    world: World, catalogue: Catalogue
) -> None:
    for service in catalogue.services:
        for pod in pods.of_service(world, service).values():
            assert settings.problems(world, pod, service) == []


def test_whatever_is_named_is_there(world: World, catalogue: Catalogue) -> None:
    assert references.problems(world, references.outside(catalogue)) == []


def test_some_pod_can_be_evicted_and_never_all(world: World, single: bool) -> None:
    assert availability.budget_problems(world, single) == []


def test_scaling_ends_at_the_partitions(world: World, catalogue: Catalogue, single: bool) -> None:
    assert availability.scaling_problems(world, catalogue, single) == []


def test_pods_are_spread_over_zones_and_machines(world: World) -> None:
    assert availability.spread_problems(world) == []


def test_quotas_hold_what_may_be_started(world: World, catalogue: Catalogue) -> None:
    assert availability.quota_problems(world) == []
    for service in catalogue.services:
        assert world.of("ResourceQuota", f"city-{service.service}"), service.service
        assert world.of("LimitRange", f"city-{service.service}"), service.service
