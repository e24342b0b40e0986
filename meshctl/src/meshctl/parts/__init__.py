"""The parts of the stack."""

from __future__ import annotations

import signal

from meshctl.parts.kafka import KafkaPart
from meshctl.parts.postgres import PostgresPart
from meshctl.parts.registry import RegistryPart
from meshctl.parts.service import ServicePart

_BACKBONE = {part.name: part for part in (KafkaPart, PostgresPart, RegistryPart)}


def how_to_stop(name: str) -> tuple[signal.Signals, float]:
    """The signal that stops a part, and the seconds it gets before SIGKILL."""
    part = _BACKBONE.get(name, ServicePart)
    return part.stop_signal, part.stop_seconds
