"""The events this department owns, and those it reads."""

from pathlib import Path

from city_backbone.contracts import EventContract


class TestEvents(EventContract):
    root = Path(__file__).parents[2]
