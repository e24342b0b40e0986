"""The registrations, and the overlays that are to agree with them."""

from __future__ import annotations

import pytest
from meshctl.catalogue import Catalogue

from . import manifests
from .manifests import OVERLAYS, World, build


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return manifests.catalogue()


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def world(overlay: str) -> World:
    """The built overlay; a test that changes it takes a copy."""
    return build(f"overlays/{overlay}")


@pytest.fixture(scope="session")
def single(overlay: str) -> bool:
    """Whether one pod of each is enough: the overlay is for trying out."""
    return overlay == "dev"
