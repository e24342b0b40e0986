"""Values of Avro schemas, and how fastavro writes them."""

import io
from pathlib import Path
from typing import Any, TypeAlias

import fastavro
from hypothesis import strategies as st

SHIPPED = sorted(Path(__file__).parents[3].glob("services/*/events/**/*.avsc"))

Named: TypeAlias = dict[str, st.SearchStrategy[Any]]


def values(schema: Any, leaves: Named, named: Named | None = None) -> st.SearchStrategy[Any]:
    """Of a parsed schema; a name met again inside itself is deferred.

    leaves: what a double, a date and a timestamp-micros may be.
    """
    named = {} if named is None else named
    match schema:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "string":
            return st.text()
        case "bytes":
            return st.binary()
        case "double":
            return leaves["double"]
        case "int":
            return st.integers(-(2**31), 2**31 - 1)
        case "long":
            return st.integers(-(2**63), 2**63 - 1)
        case str():
            return st.deferred(lambda: named[schema])
        case list():
            return st.one_of([values(branch, leaves, named) for branch in schema])
        case {"logicalType": logical}:
            return leaves[logical]
        case {"symbols": symbols}:
            named[schema["name"]] = st.sampled_from(symbols)
            return named[schema["name"]]
        case {"items": items}:
            return st.lists(values(items, leaves, named), max_size=3)
        case {"values": items}:
            return st.dictionaries(st.text(), values(items, leaves, named), max_size=3)
        case {"fields": fields}:
            named[schema["name"]] = st.fixed_dictionaries(
                {field["name"]: values(field["type"], leaves, named) for field in fields}
            )
            return named[schema["name"]]
    raise AssertionError(f"a type that no test value is made of: {schema}")


def fastavro_writes(schema: Any, value: Any) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, value)
    return buffer.getvalue()
