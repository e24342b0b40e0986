"""CODEOWNERS: who is asked about a change, by the registrations' `owner`."""

from __future__ import annotations

from meshctl.catalogue import Catalogue
from meshctl.render.yaml import header

PLATFORM = "@city/platform"
"""Whoever runs what all departments share."""


def text(catalogue: Catalogue) -> str:
    """The last line that matches counts: a department's folders are its own, all else the
    platform's."""
    lines = [header("services/*/service.yaml"), f"* {PLATFORM}"]
    for service in catalogue.services:
        name = service.service
        lines += [
            f"/{folder}/{name}/ {service.owner}"
            for folder in ("services", "protos/city", "deploy/k8s/base")
        ]
    return "\n".join(lines) + "\n"
