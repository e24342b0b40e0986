"""An element of a resource with its FHIRPath, whatever JSON it really is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from health.fhir.refused import malformed, missing


@dataclass(frozen=True, slots=True)
class Element:
    """A JSON object at `path`. Each accessor raises Refused naming the path of what is wrong."""

    path: str
    content: dict[str, Any] = field(repr=False)

    def at(self, name: str) -> str:
        return f"{self.path}.{name}"

    def has(self, name: str) -> bool:
        return self.content.get(name) is not None

    def find(self, name: str) -> "Element | None":
        value = self.content.get(name)
        return None if value is None else element(self.at(name), value)

    def get(self, name: str, expected: str) -> "Element":
        found = self.find(name)
        if found is None:
            raise missing(self.at(name), expected)
        return found

    def each(self, name: str) -> "Iterator[Element]":
        values = self.content.get(name)
        if values is None:
            return
        if not isinstance(values, list):
            raise malformed("expected an array", self.at(name))
        for index, value in enumerate(values):
            yield element(f"{self.at(name)}[{index}]", value)

    def find_text(self, name: str) -> str | None:
        value = self.content.get(name)
        if value is not None and not isinstance(value, str):
            raise malformed("expected a string", self.at(name))
        return value

    def text(self, name: str, expected: str) -> str:
        """Not blank."""
        value = self.find_text(name)
        if value is None or not value.strip():
            raise missing(self.at(name), expected)
        return value

    def number(self, name: str, expected: str) -> float:
        value = self.content.get(name)
        if value is None:
            raise missing(self.at(name), expected)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise malformed("expected a number", self.at(name))
        return float(value)

    def boolean(self, name: str, expected: str) -> bool:
        value = self.content.get(name)
        if value is None:
            raise missing(self.at(name), expected)
        if not isinstance(value, bool):
            raise malformed("expected true or false", self.at(name))
        return value


def element(path: str, value: object) -> Element:
    if not isinstance(value, dict):
        raise malformed("expected an object", path)
    return Element(path, value)
