"""Avro binary, written by a function made for one schema, as `avro` reads it.

fastavro stays the reference, in property tests: what is written here are its bytes. Whatever else
than the usual Python type a value has raises here, and is left to fastavro, which knows more of
them or tells what is wrong.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from struct import Struct
from typing import Any, TypeAlias

from city_backbone.avro_function import EPOCH, EPOCH_DAY, UnknownType, converter, indented

Writer: TypeAlias = Callable[[Mapping[str, Any]], bytes]
"""Of a record, the bytes. Raises, of what is none of the schema's or unusual, whatever comes."""

_SHORT = 64
_BITS = {"int": 31, "long": 63}


def writer(schema: Any, before: bytes = b"") -> Writer | None:
    """For a record's schema as fastavro parses it; `before` is put before each value.

    None for a schema with a type that is not known here: fixed, float, a record inside itself, a
    union of more than null and one other, or another logical type than timestamp-micros and date.
    """
    if not isinstance(schema, dict) or "fields" not in schema:
        return None
    made = _Made()
    try:
        body = made.record(schema, "data")
    except UnknownType:
        return None
    scope: dict[str, Any] = {
        "before": before,
        "long": _long,
        "lengths": tuple(_long(length) for length in range(_SHORT)),
        "double": Struct("<d").pack,
        "time": _time,
        "day": _day,
        "unusual": _unusual,
        **made.symbols,
    }
    lines = ["out = [before]", "put = out.append", *body, "return b''.join(out)"]
    exec("\n".join(["def write(data):", *indented(lines)]), scope)
    function: Writer = scope["write"]
    return function


class _Made:
    """The lines of one function; each writes the value of an expression by `put`."""

    def __init__(self) -> None:
        self.symbols: dict[str, dict[str, bytes]] = {}
        self._named: dict[str, Any] = {}
        self._inside: list[str] = []
        self._count = 0

    def record(self, schema: Any, value: str) -> list[str]:
        name = schema["name"]
        if name in self._inside:
            raise UnknownType(name)
        self._named[name] = schema
        self._inside.append(name)
        lines = []
        for field in schema["fields"]:
            into = self._new("v")
            lines.append(f"{into} = {value}[{field['name']!r}]")
            lines += self._value(field["type"], into)
        self._inside.pop()
        return lines

    def _value(self, schema: Any, value: str) -> list[str]:
        match schema:
            case str():
                return self._simple(schema, value)
            case list():
                return self._optional(schema, value)
            case {"logicalType": logical, "type": kind}:
                return [f"put({converter(kind, logical)}({value}))"]
            case {"type": "enum", "name": name, "symbols": symbols}:
                self._named[name] = schema
                known = self._new("symbols")
                self.symbols[known] = {one: _long(place) for place, one in enumerate(symbols)}
                return [f"put({known}[{value}])"]
            case {"type": "array", "items": items}:
                item = self._new("v")
                each = [f"for {item} in {value}:", *indented(self._value(items, item))]
                usual = f"type({value}) is list or type({value}) is tuple"
                return self._block(usual, value, each)
            case {"type": "map", "values": values}:
                key, item = self._new("v"), self._new("v")
                body = [*self._simple("string", key), *self._value(values, item)]
                each = [f"for {key}, {item} in {value}.items():", *indented(body)]
                return self._block(f"type({value}) is dict", value, each)
            case {"type": "record"}:
                return [f"if type({value}) is not dict: unusual()", *self.record(schema, value)]
            case {"type": str() as kind}:
                return self._simple(kind, value)
        raise UnknownType(schema)

    def _simple(self, kind: str, value: str) -> list[str]:
        match kind:
            case "null":
                return [f"if {value} is not None: unusual()"]
            case "string":
                return [f"b = {value}.encode()", *_sized("b")]
            case "bytes":
                return [f"if type({value}) is not bytes: unusual()", *_sized(value)]
            case "int" | "long":
                most = 1 << _BITS[kind]
                return [
                    f"if type({value}) is not int or not {-most} <= {value} < {most}: unusual()",
                    f"put(long({value}))",
                ]
            case "double":
                unusual = f"if type({value}) is not float and type({value}) is not int: unusual()"
                return [unusual, f"put(double({value}))"]
            case "boolean":
                return [
                    f"if type({value}) is not bool: unusual()",
                    f"put(b'\\x01' if {value} else b'\\x00')",
                ]
        if kind in self._named:
            return self._value(self._named[kind], value)
        raise UnknownType(kind)

    def _optional(self, branches: list[Any], value: str) -> list[str]:
        other = [place for place, branch in enumerate(branches) if branch != "null"]
        if len(branches) != 2 or len(other) != 1:
            raise UnknownType(branches)
        (place,) = other
        return [
            f"if {value} is None: put({_long(1 - place)!r})",
            "else:",
            f"    put({_long(place)!r})",
            *indented(self._value(branches[place], value)),
        ]

    def _block(self, usual: str, value: str, each: list[str]) -> list[str]:
        return [
            f"if not ({usual}): unusual()",
            f"if {value}:",
            f"    put(long(len({value})))",
            *indented(each),
            r"put(b'\x00')",
        ]

    def _new(self, word: str) -> str:
        self._count += 1
        return f"{word}{self._count}"


def _sized(value: str) -> list[str]:
    return [
        f"n = len({value})",
        f"put(lengths[n] if n < {_SHORT} else long(n))",
        f"put({value})",
    ]


def _long(number: int) -> bytes:
    left = (number << 1) ^ (number >> 63)
    if left < 0x80:
        return left.to_bytes(1, "little")
    groups = []
    while left >= 0x80:
        groups.append(left & 0x7F | 0x80)
        left >>= 7
    groups.append(left)
    return bytes(groups)


def _time(instant: datetime) -> bytes:
    """Microseconds since 1970; those of 1979 to 2527 are of eight groups, spread all at once."""
    since = instant - EPOCH
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if not 1 << 48 <= micros < 1 << 55:
        return _long(micros)
    n = micros << 1
    n = n & 0xFFFFFFF | (n & 0xFFFFFFF0000000) << 4
    n = n & 0x3FFF00003FFF | (n & 0xFFFC0000FFFC000) << 2
    n = n & 0x7F007F007F007F | (n & 0x3F803F803F803F80) << 1
    return (n | 0x80808080808080).to_bytes(8, "little")


def _day(day: date) -> bytes:
    if type(day) is not date:
        _unusual()
    return _long(day.toordinal() - EPOCH_DAY)


def _unusual() -> None:
    raise TypeError("of another type than usual")
