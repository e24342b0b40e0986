"""Avro binary, read by a function made for one schema.

fastavro looks at the schema anew for each value; here that is done once, and what is left is
straight-line Python, made as `dataclasses` makes an `__init__`. fastavro stays the reference, in
property tests, and reads what has a type that is not known here.
"""

from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from struct import Struct
from typing import Any, TypeAlias

from city_backbone.avro_function import EPOCH, EPOCH_DAY, UnknownType, converter, indented

Reader: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
"""Of bytes and where a value begins, the value and where it ends: behind the bytes when they were
cut off. Raises, of bytes that are none of the schema's, whatever reading them does."""

_EIGHT = Struct("<Q").unpack_from
_MOST_BITS = 64
_SIZED = (
    "n = data[at]",
    "if n & 0x81:",
    "    n, at = length(data, at)",
    "    end = at + n",
    "else:",
    "    at += 1",
    "    end = at + (n >> 1)",
)
# In one byte there is room for so many symbols or branches.
_IN_A_BYTE = 64


def reader(schema: Any, without: Collection[str] = ()) -> Reader | None:
    """For a schema as fastavro parses it. The record's fields `without` are not in what it reads.

    None for a schema with a type that is not known here: fixed, float, or another logical type than
    timestamp-micros and date.
    """
    made = _Made()
    try:
        name = made.function(schema, frozenset(without))
    except UnknownType:
        return None
    scope: dict[str, Any] = {
        "long": _long,
        "length": _length,
        "double": Struct("<d").unpack_from,
        "time": _time,
        "day": _day,
        **made.symbols,
    }
    exec("\n".join(made.lines), scope)
    function: Reader = scope[name]
    return function


class _Made:
    """The text of functions: one for the whole, and one for each record that has itself inside."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.symbols: dict[str, dict[int, str]] = {}
        self._named: dict[str, Any] = {}
        self._functions: dict[str, str] = {}
        self._count = 0

    def function(self, schema: Any, without: frozenset[str] = frozenset()) -> str:
        name = self._new("read")
        if isinstance(schema, dict) and "fields" in schema:
            if not without:
                self._functions[schema["name"]] = name
            body = self._record(schema, "v", without)
        else:
            body = self._value(schema, "v")
        self.lines += [f"def {name}(data, at):", *indented([*body, "return v, at"])]
        return name

    def _record(self, schema: Any, into: str, without: frozenset[str] = frozenset()) -> list[str]:
        self._named[schema["name"]] = schema
        body, parts = [], []
        for field in schema["fields"]:
            value = self._new("v")
            if field["name"] in without:
                body += self._skip(field["type"], value)
            else:
                body += self._value(field["type"], value)
                parts.append(f"{field['name']!r}: {value}")
        return [*body, f"{into} = {{{', '.join(parts)}}}"]

    def _value(self, schema: Any, into: str) -> list[str]:
        """Lines that read a value at `at` into a variable, and move `at` behind it."""
        match schema:
            case str():
                return self._simple(schema, into)
            case list():
                return self._union(schema, into)
            case {"logicalType": logical, "type": kind}:
                return [f"{into}, at = {converter(kind, logical)}(data, at)"]
            case {"type": "enum", "name": name, "symbols": symbols}:
                self._named[name] = schema
                known = self._new("symbols")
                if len(symbols) > _IN_A_BYTE:
                    raise UnknownType(name)
                self.symbols[known] = {2 * place: one for place, one in enumerate(symbols)}
                return [f"{into} = {known}[data[at]]", "at += 1"]
            case {"type": "array", "items": items}:
                item = self._new("v")
                body = [*self._value(items, item), f"{into}.append({item})"]
                return [f"{into} = []", *self._blocks(body)]
            case {"type": "map", "values": values}:
                key, value = self._new("v"), self._new("v")
                body = [*self._simple("string", key), *self._value(values, value)]
                return [f"{into} = {{}}", *self._blocks([*body, f"{into}[{key}] = {value}"])]
            case {"type": "record"} if _names_itself(schema):
                return [f"{into}, at = {self.function(schema)}(data, at)"]
            case {"type": "record"}:
                return self._record(schema, into)
            case {"type": str() as kind}:
                return self._simple(kind, into)
        raise UnknownType(schema)

    def _simple(self, kind: str, into: str) -> list[str]:
        match kind:
            case "null":
                return [f"{into} = None"]
            case "string":
                return [*_SIZED, f"{into} = data[at:end].decode()", "at = end"]
            case "bytes":
                return [*_SIZED, f"{into} = data[at:end]", "at = end"]
            case "long" | "int":
                return [f"{into}, at = long(data, at)"]
            case "double":
                return [f"({into},) = double(data, at)", "at += 8"]
            case "boolean":
                return [f"{into} = data[at] != 0", "at += 1"]
        if kind in self._functions:
            return [f"{into}, at = {self._functions[kind]}(data, at)"]
        if kind in self._named:
            return self._value(self._named[kind], into)
        raise UnknownType(kind)

    def _union(self, branches: list[Any], into: str) -> list[str]:
        if len(branches) > _IN_A_BYTE:
            raise UnknownType(branches)
        which = self._new("n")
        lines = [f"{which} = data[at]", "at += 1"]
        for number, branch in enumerate(branches):
            word = "elif" if number else "if"
            lines += [
                f"{word} {which} == {2 * number}:",
                *indented(self._value(branch, into)),
            ]
        return [*lines, "else:", f"    raise IndexError('union: no branch', {which})"]

    def _blocks(self, body: list[str]) -> list[str]:
        left = self._new("n")
        return [
            "while True:",
            f"    {left}, at = long(data, at)",
            f"    if {left} == 0: break",
            f"    if {left} < 0: {left} = -{left}; _, at = long(data, at)",
            f"    if {left} > len(data): raise ValueError('more items than bytes')",
            f"    for _ in range({left}):",
            *indented(indented(body)),
        ]

    def _skip(self, schema: Any, into: str) -> list[str]:
        """As _value, without making what nobody asked for where that is simple."""
        match schema:
            case {"logicalType": _, "type": "long" | "int"} | "long" | "int":
                return ["while data[at] > 0x7F: at += 1", "at += 1"]
            case "string" | "bytes":
                return [*_SIZED, "at = end"]
        return self._value(schema, into)

    def _new(self, word: str) -> str:
        self._count += 1
        return f"{word}{self._count}"


def _long(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if shift >= _MOST_BITS:
            raise ValueError("a number of more than ten bytes")


def _length(data: bytes, at: int) -> tuple[int, int]:
    number, at = _long(data, at)
    if number < 0:
        raise ValueError("a length below 0")
    return number, at


def _time(data: bytes, at: int) -> tuple[datetime, int]:
    """Those of 1979 to 2527 are of eight groups of seven bits, drawn together all at once."""
    if at + 8 <= len(data):
        (n,) = _EIGHT(data, at)
        if n & 0x8080808080808080 == 0x0080808080808080 and not n & 1:
            n = n & 0x7F007F007F007F | (n & 0x7F007F007F007F00) >> 1
            n = n & 0x3FFF00003FFF | (n & 0x3FFF00003FFF0000) >> 2
            n = n & 0xFFFFFFF | (n & 0xFFFFFFF00000000) >> 4
            return EPOCH + timedelta(0, 0, n >> 1), at + 8
    micros, at = _long(data, at)
    return EPOCH + timedelta(0, 0, micros), at


def _day(data: bytes, at: int) -> tuple[date, int]:
    days, at = _long(data, at)
    return date.fromordinal(EPOCH_DAY + days), at


def _names_itself(schema: Any) -> bool:
    """Whether a record's name is met again inside it."""

    def met(part: Any) -> bool:
        if isinstance(part, dict):
            return any(met(part[key]) for key in ("type", "items", "values") if key in part) or any(
                met(field["type"]) for field in part.get("fields", ())
            )
        if isinstance(part, list):
            return any(met(branch) for branch in part)
        return bool(part == schema["name"])

    return any(met(field["type"]) for field in schema["fields"])
