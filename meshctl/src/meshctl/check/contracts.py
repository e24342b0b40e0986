"""What services serve and call exists in the contracts, and somebody serves what is called."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from meshctl.catalogue import Catalogue


def check(catalogue: Catalogue) -> Iterator[str]:
    """Every problem, one line each. Contracts that are not built here are not looked into."""
    servers: dict[str, str] = {}
    for service in catalogue.services:
        for served in service.serves:
            if served in servers:
                yield f"{service.path}: serves: {served} is already served by {servers[served]}"
            servers[served] = service.service
            if _methods(served) == set():
                yield f"{service.path}: serves: the contracts have no service {served}"
    for caller in catalogue:
        for call in caller.calls:
            name, _, method = call.partition("/")
            if name not in servers:
                yield f"{caller.path}: calls: nobody serves {name}"
            known = _methods(name)
            if known and method != "*" and method not in known:
                yield f"{caller.path}: calls: {name} has no method {method}"


def _methods(service: str) -> set[str] | None:
    """The methods of a service: empty when its package has none such, None when it isn't built."""
    package, _, short = service.rpartition(".")
    try:
        found = importlib.import_module(package)
    except ImportError:
        return None
    for module in _messages(found):
        descriptor = module.DESCRIPTOR.services_by_name.get(short)
        if descriptor is not None:
            return {method.name for method in descriptor.methods}
    return set()


def _messages(package: ModuleType) -> Iterator[ModuleType]:
    for entry in pkgutil.iter_modules(package.__path__):
        if entry.name.endswith("_pb2"):
            yield importlib.import_module(f"{package.__name__}.{entry.name}")
