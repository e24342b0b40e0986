"""Ports: which part listens where, that they are free, and which free ones to take."""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Iterable, Mapping

import psutil
from city_backbone.registration import Registration

from meshctl.errors import PortTakenError, SettingsError
from meshctl.settings import PREFIX, Settings

HOST = "127.0.0.1"
# Below the range from which systems give outgoing connections their ports, so that a part that
# restarts finds its port still free.
_FREE = range(20000, 32000)
_LAST = 65535

# By port: what keeps other stacks from choosing it before a part of ours listens there.
_reserved: dict[int, socket.socket] = {}

Ports = Mapping[str, int]
"""Ports by the name of who listens: ``kafka``, ``kafka.controller``, ``sensors.grpc``, ..."""


def wanted(
    settings: Settings, registrations: Iterable[Registration], further: Ports
) -> dict[str, int]:
    """The ports that settings and registrations ask for, and `further` ones.

    Raises SettingsError when a setting names a listener that nobody has, two share a port, or one
    is beyond the last.
    """
    ports = {
        "kafka": settings.kafka_port,
        "kafka.controller": settings.kafka_controller_port,
        "registry": settings.registry_port,
        "postgres": settings.postgres_port,
        **further,
    }
    for registration in registrations:
        if registration.port is not None:
            ports[f"{registration.service}.grpc"] = registration.port
        if registration.http_port is not None:
            ports[f"{registration.service}.http"] = registration.http_port
    for name, port in settings.ports.items():
        if name not in ports:
            raise SettingsError(
                f"{PREFIX}PORTS: nobody is called {name!r}, there is {_list(ports)}"
            )
        ports[name] = port
    owners: dict[int, str] = {}
    for name, port in ports.items():
        if port > _LAST:
            raise SettingsError(f"{name}: port {port} is none, {PREFIX}PORTS can say another")
        if port in owners:
            raise SettingsError(f"port {port} is asked for by both {owners[port]} and {name}")
        owners[port] = name
    return ports


def free(names: Iterable[str], remembered: Ports) -> dict[str, int]:
    """Free ports for these listeners; those remembered are kept while they are free.

    On Linux no other process is given them as long as this one lives.
    """
    chosen: dict[str, int] = {}
    candidates = random.sample(_FREE, len(_FREE))
    for name in names:
        port = remembered.get(name)
        if port is None or port in chosen.values() or not (is_free(port) and _reserve(port)):
            port = next(
                (
                    candidate
                    for candidate in candidates
                    if candidate not in chosen.values()
                    and candidate not in _reserved
                    and is_free(candidate)
                    and _reserve(candidate)
                ),
                None,
            )
        if port is None:
            raise PortTakenError(f"no free port between {_FREE.start} and {_FREE.stop} for {name}")
        chosen[name] = port
    return chosen


def require_free(ports: Ports) -> None:
    """Raise PortTakenError, in one line, for the first port that is in use."""
    for name, port in ports.items():
        if not is_free(port):
            raise PortTakenError(
                f"port {port} of {name} is taken{_holder(port)};"
                f" set {_setting(name)} or use --free-ports"
            )


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _reserve(port: int) -> bool:
    """Whether no other process has chosen it. A name of Linux's abstract space goes with us."""
    if port in _reserved or sys.platform != "linux":
        return True
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0citymesh-port-{port}")
    except OSError:
        mark.close()
        return False
    _reserved[port] = mark
    return True


def _setting(name: str) -> str:
    part, _, kind = name.partition(".")
    if part in {"kafka", "registry", "postgres"}:
        return f"{PREFIX}{part.upper()}{'_CONTROLLER' if kind else ''}_PORT"
    return f"{PREFIX}PORTS='{{\"{name}\": ...}}'"


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status != psutil.CONN_LISTEN or not address or address.port != port:
                continue
            if connection.pid is not None:
                name = psutil.Process(connection.pid).name()
                return f" by process {connection.pid} ({name})"
    except (psutil.AccessDenied, psutil.NoSuchProcess, OSError):
        pass
    return ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
