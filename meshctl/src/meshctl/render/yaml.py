"""Objects as YAML, the same bytes for the same objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import yaml as pyyaml

from meshctl.render.names import Object

MARK = "# Rendered by meshctl render"


class _Dumper(pyyaml.SafeDumper):
    """No aliases, long texts as blocks, lists indented below their key."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: _Dumper, value: str) -> pyyaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_text)


def header(origin: str) -> str:
    """The first line of a rendered file."""
    return f"{MARK} from {origin}: do not edit."


def text(objects: Iterable[Object], origin: str) -> str:
    """A file of these objects."""
    return f"{header(origin)}\n" + documents(objects)


def documents(objects: Iterable[Object]) -> str:
    return "---\n".join(
        pyyaml.dump(
            one,
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            width=4096,
            default_flow_style=False,
        )
        for one in objects
    )


def kustomization(resources: Sequence[str], *, component: bool = False) -> Object:
    """What kustomize reads of a folder."""
    version, kind = ("v1alpha1", "Component") if component else ("v1beta1", "Kustomization")
    return {
        "apiVersion": f"kustomize.config.k8s.io/{version}",
        "kind": kind,
        "resources": list(resources),
    }
