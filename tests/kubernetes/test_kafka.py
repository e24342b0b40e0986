"""Topics, users, access rules and quotas in Kubernetes are those of `meshctl up`."""

from __future__ import annotations

from meshctl.catalogue import Catalogue

from . import kafka
from .manifests import World


def test_topics_are_the_declared_ones(world: World, catalogue: Catalogue) -> None:
    assert kafka.topic_problems(world, catalogue) == []


def test_access_rules_are_the_declared_ones(world: World, catalogue: Catalogue) -> None:
    assert kafka.rule_problems(world, catalogue) == []


def test_users_log_in_with_their_own_password_and_quota(world: World, catalogue: Catalogue) -> None:
    assert kafka.user_problems(world, catalogue) == []
