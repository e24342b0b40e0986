"""Avro binary, read by a function made for one schema.

fastavro looks at the schema anew for each value; here that is done once, and what is left is
straight-line Python, made as `dataclasses` makes an `__init__`. fastavro stays the reference, in
property tests, and reads what has a type that is not known here.
"""

from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, timedelta
from struct import Struct
from typing import Any, TypeAlias

from city_backbone.avro_function import EPOCH, EPOCH_DAY, UnknownType, converter, indented

Reader: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
"""Of bytes and where a value begins, the value and where it ends: behind the bytes when they were
cut off. Raises, of bytes that are none of the schema's, whatever reading them does."""

_EIGHT = Struct("<Q").unpack_from
_MOST_BITS = 64
# Until 2106 a double tells seconds since 1970 to less than half a microsecond.
_IN_A_DOUBLE = 1_000_000 << 32
_from_seconds = datetime.fromtimestamp
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
        "doubled_length": _doubled_length,
        "behind": _behind,
        "double": Struct("<d").unpack_from,
        "time": _time,
        "day": _day,
        **made.symbols,
    }
    exec("\n".join(made.lines), scope)
    function: Reader = scope[name]
    return function


class _Made:
    """The text of functions: one for the whole, and one for each record that has itself inside.

    Lines read at `at` and so many bytes behind it as are `ahead`: what always has the same length
    moves that alone.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._ahead = 0
        self.symbols: dict[str, dict[int, str]] = {}
        self._named: dict[str, Any] = {}
        self._functions: dict[str, str] = {}
        self._count = 0

    def function(self, schema: Any, without: frozenset[str] = frozenset()) -> str:
        name, ahead, self._ahead = self._new("read"), self._ahead, 0
        if isinstance(schema, dict) and "fields" in schema:
            if not without:
                self._functions[schema["name"]] = name
            body = self._record(schema, "v", without)
        else:
            body = self._value(schema, "v")
        self.lines += [f"def {name}(data, at):", *indented([*body, f"return v, {self._at()}"])]
        self._ahead = ahead
        return name

    def _record(self, schema: Any, into: str, without: frozenset[str] = frozenset()) -> list[str]:
        self._named[schema["name"]] = schema
        body, parts = [], []
        for field in schema["fields"]:
            if field["name"] in without:
                body += self._skip(field["type"])
            else:
                value = self._new("v")
                body += self._value(field["type"], value)
                parts.append(f"{field['name']!r}: {value}")
        return [*body, f"{into} = {{{', '.join(parts)}}}"]

    def _value(self, schema: Any, into: str) -> list[str]:
        """Lines that read a value into a variable, and move behind it."""
        match schema:
            case str():
                return self._simple(schema, into)
            case list():
                return self._union(schema, lambda branch: self._value(branch, into))
            case {"logicalType": logical, "type": kind}:
                return self._called(converter(kind, logical), into)
            case {"type": "enum", "name": name, "symbols": symbols}:
                self._named[name] = schema
                known = self._new("symbols")
                if len(symbols) > _IN_A_BYTE:
                    raise UnknownType(name)
                self.symbols[known] = {2 * place: one for place, one in enumerate(symbols)}
                return [f"{into} = {known}[data[{self._passed(1)}]]"]
            case {"type": "array", "items": items}:
                moved, item = self._moved(), self._new("v")
                body = [*self._value(items, item), f"{into}.append({item})", *self._moved()]
                return [*moved, f"{into} = []", *self._blocks(body)]
            case {"type": "map", "values": values}:
                moved, key, value = self._moved(), self._new("v"), self._new("v")
                body = [*self._simple("string", key), *self._value(values, value)]
                body += [f"{into}[{key}] = {value}", *self._moved()]
                return [*moved, f"{into} = {{}}", *self._blocks(body)]
            case {"type": "record"} if _names_itself(schema):
                return self._called(self.function(schema), into)
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
                return [*self._sized(), f"{into} = data[at:end].decode()", "at = end"]
            case "bytes":
                return [*self._sized(), f"{into} = data[at:end]", "at = end"]
            case "long" | "int":
                return self._called("long", into)
            case "double":
                return [f"({into},) = double(data, {self._passed(8)})"]
            case "boolean":
                return [f"{into} = data[{self._passed(1)}] != 0"]
        if kind in self._functions:
            return self._called(self._functions[kind], into)
        if kind in self._named:
            return self._value(self._named[kind], into)
        raise UnknownType(kind)

    def _union(self, branches: list[Any], body: Callable[[Any], list[str]]) -> list[str]:
        if len(branches) > _IN_A_BYTE:
            raise UnknownType(branches)
        which = self._new("n")
        lines = [f"{which} = data[{self._passed(1)}]", *self._moved()]
        for number, branch in enumerate(branches):
            word = "elif" if number else "if"
            lines += [
                f"{word} {which} == {2 * number}:",
                *indented([*body(branch), *self._moved()] or ["pass"]),
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

    def _skip(self, schema: Any) -> list[str]:
        """As _value, without making what nobody asked for where that is simple."""
        match schema:
            case {"logicalType": _, "type": "long" | "int"} | "long" | "int":
                return [f"at = behind(data, {self._from()})"]
            case "string" | "bytes":
                return [*self._sized(), "at = end"]
            case "null":
                return []
            case "double":
                self._ahead += 8
                return []
            case list():
                return self._union(schema, self._skip)
            case {"type": "record", "name": name, "fields": fields} if not _names_itself(schema):
                self._named[name] = schema
                return [line for field in fields for line in self._skip(field["type"])]
        return self._value(schema, self._new("v"))

    def _sized(self) -> list[str]:
        """From `at` to `end` are the bytes that come next."""
        return [
            f"n = data[{self._passed(1)}]",
            *self._moved(),
            "if n & 0x81: n, at = doubled_length(data, at - 1)",
            "end = at + (n >> 1)",
        ]

    def _called(self, function: str, into: str) -> list[str]:
        return [f"{into}, at = {function}(data, {self._from()})"]

    def _from(self) -> str:
        """Where something of another size begins, which leaves `at` behind it."""
        at, self._ahead = self._at(), 0
        return at

    def _at(self) -> str:
        return f"at + {self._ahead}" if self._ahead else "at"

    def _passed(self, size: int) -> str:
        """Where something of a size known beforehand is; what comes next is behind it."""
        at = self._at()
        self._ahead += size
        return at

    def _moved(self) -> list[str]:
        """To where nothing is ahead: where lines come together, or are repeated."""
        ahead, self._ahead = self._ahead, 0
        return [f"at += {ahead}"] if ahead else []

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


def _doubled_length(data: bytes, at: int) -> tuple[int, int]:
    """As its number is written, as long as that is one byte."""
    number, at = _long(data, at)
    if number < 0:
        raise ValueError("a length below 0")
    return 2 * number, at


def _behind(data: bytes, at: int) -> int:
    """Where a number ends."""
    if at + 8 <= len(data) and _EIGHT(data, at)[0] & 0x8080808080808080 == 0x0080808080808080:
        return at + 8
    return _long(data, at)[1]


def _time(data: bytes, at: int) -> tuple[datetime, int]:
    """Those of 1979 to 2527 are of eight groups of seven bits, drawn together all at once."""
    if at + 8 <= len(data):
        (n,) = _EIGHT(data, at)
        if n & 0x8080808080808081 == 0x0080808080808080:  # and positive
            n = n & 0x7F007F007F007F | (n & 0x7F007F007F007F00) >> 1
            n = n & 0x3FFF00003FFF | (n & 0x3FFF00003FFF0000) >> 2
            micros = (n & 0xFFFFFFF | (n & 0xFFFFFFF00000000) >> 4) >> 1
            if micros < _IN_A_DOUBLE:
                return _from_seconds(micros / 1e6, UTC), at + 8
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
