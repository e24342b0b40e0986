"""Contract tests that every department passes: subclass them under its tests/contract."""

import copy
import importlib
import io
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import fastavro
import fastavro.validation
import pytest
from google.protobuf.descriptor_pool import Default as default_pool

from city_backbone.registration import Consumes, Produces, Registration, load

_TOPIC = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9-]*\.v[1-9]\d*")


class EventContract:
    """Schemas parse, golden events fit, and a changed copy still understands the other.

    `root` is the department's folder.
    """

    root: Path

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        registered = load(self.root / "service.yaml")
        events = self.root / "events"
        names = sorted(str(path.relative_to(events)) for path in events.rglob("*.avsc"))
        given: dict[str, Any] = {
            "written": [produced.schema_file for produced in registered.produces],
            "file": names,
            "produced": registered.produces,
            "consumed": registered.consumes,
        }
        for name, values in given.items():
            if name in metafunc.fixturenames:
                ids = [value if isinstance(value, str) else value.topic for value in values]
                metafunc.parametrize(name, values, ids=ids)

    def test_the_golden_event_fits_exactly(self, written: str) -> None:
        schema, event = self._schema(written), self._golden(written)
        parsed = fastavro.parse_schema(copy.deepcopy(schema))
        fastavro.validation.validate(event, parsed, strict=True)
        again = _decode(_encode(schema, event), schema, schema)
        assert _encode(schema, again) == _encode(schema, event)

    def test_a_new_reader_understands_the_old_event(self, written: str) -> None:
        old, new = self._schema(written), _with_new_field(self._schema(written))
        event = _decode(_encode(old, self._golden(written)), old, new)
        assert event["added_later"] == ""
        assert self._golden(written).keys() <= event.keys()

    def test_an_old_reader_understands_the_new_event(self, written: str) -> None:
        old, new = self._schema(written), _with_new_field(self._schema(written))
        original = _encode(old, self._golden(written))
        newer = _encode(new, _decode(original, old, new))
        assert _decode(newer, new, old) == _decode(original, old, old)

    def test_what_is_consumed_resolves_from_the_writer(self, consumed: Consumes) -> None:
        """A department whose folder is away cannot be asked: what we read stands for itself."""
        assert consumed.schema_file
        department, subject, version = consumed.topic.split(".")
        events = self.root.parent / department / "events"
        name = f"{subject.replace('-', '_')}.{version}"
        reader = self._schema(consumed.schema_file)
        if not events.is_dir():
            fastavro.parse_schema(reader)
            return
        writer = _json(events / f"{name}.avsc")
        event = _decode(_encode(writer, _example(events, name, writer)), writer, reader)
        assert set(event) == {field["name"] for field in reader["fields"]}

    def test_every_schema_is_registered(self, file: str) -> None:
        registered = self._registration()
        named = {produced.schema_file for produced in registered.produces}
        assert file in named | {consumed.schema_file for consumed in registered.consumes}

    def test_the_key_is_a_field_of_the_event(self, produced: Produces) -> None:
        assert produced.key in self._golden(produced.schema_file)

    def test_a_symbol_added_later_is_read_as_unknown(self, file: str) -> None:
        for node in _nodes(self._schema(file)):
            if node.get("type") == "enum":
                assert node["default"] == node["symbols"][0] == "UNKNOWN"

    def test_every_field_says_what_it_is(self, file: str) -> None:
        nodes = _nodes(self._schema(file))
        assert [node["name"] for node in nodes if "name" in node and not node.get("doc")] == []

    def _registration(self) -> Registration:
        return load(self.root / "service.yaml")

    def _schema(self, file: str) -> dict[str, Any]:
        return _json(self.root / "events" / file)

    def _golden(self, file: str) -> dict[str, Any]:
        return _example(self.root / "events", Path(file).stem, self._schema(file))


class RpcContract:
    """The code keeps what the registration and the protocol say, in every part of the department.

    `root` is the department's folder, `package` its code.
    """

    root: Path
    package: ModuleType

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        serves = load(self.root / "service.yaml").serves
        if "method" in metafunc.fixturenames:
            methods = [(name, method) for name in serves for method in _methods(name)]
            metafunc.parametrize(("service", "method"), methods)
        elif "service" in metafunc.fixturenames:
            metafunc.parametrize("service", serves)

    def test_every_method_is_implemented(self, service: str, method: str) -> None:
        assert method in vars(self._servicer(service))

    def test_the_registration_names_what_the_protocol_has(self) -> None:
        serves = load(self.root / "service.yaml").serves
        (package,) = {name.rpartition(".")[0] for name in serves}
        assert list(serves) == sorted(_services(package))

    def test_each_servicer_is_served_under_its_full_name(self, service: str) -> None:
        beside = vars(sys.modules[self._servicer(service).__module__]).values()
        assert service in [text for text in beside if isinstance(text, str)]

    def test_the_code_names_the_topics_that_are_registered(self) -> None:
        named = {
            value
            for module in self._modules()
            for value in vars(module).values()
            if isinstance(value, str) and _TOPIC.fullmatch(value)
        }
        registered = load(self.root / "service.yaml")
        produced = {produced.topic for produced in registered.produces}
        assert named == produced | {consumed.topic for consumed in registered.consumes}

    def _modules(self) -> list[ModuleType]:
        """All of the department's, whatever its parts call them."""
        name = self.package.__name__
        return [
            importlib.import_module(found.name)
            for found in pkgutil.walk_packages(self.package.__path__, f"{name}.")
            if not found.name.endswith("__main__")
        ]

    def _servicer(self, service: str) -> type[Any]:
        self._modules()
        package, _, short = service.rpartition(".")
        (base,) = (
            vars(module)[f"{short}Servicer"]
            for module in _stubs(package)
            if f"{short}Servicer" in vars(module)
        )
        ours = f"{self.package.__name__}."
        (found,) = (one for one in base.__subclasses__() if one.__module__.startswith(ours))
        implemented: type[Any] = found
        return implemented


def _methods(service: str) -> list[str]:
    _stubs(service.rpartition(".")[0])
    return [method.name for method in default_pool().FindServiceByName(service).methods]


def _services(package: str) -> set[str]:
    """Full names of what the package's contracts have."""
    return {
        f"{package}.{name.removesuffix('Servicer')}"
        for module in _stubs(package)
        for name in vars(module)
        if name.endswith("Servicer")
    }


def _stubs(package: str) -> list[ModuleType]:
    found = importlib.import_module(package)
    return [
        importlib.import_module(f"{package}.{entry.name}")
        for entry in pkgutil.iter_modules(found.__path__)
        if entry.name.endswith("_pb2_grpc")
    ]


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _example(events: Path, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A golden event, which is in Avro's JSON encoding."""
    line = io.StringIO(json.dumps(_json(events / "examples" / f"{name}.json")))
    (event,) = fastavro.json_reader(line, fastavro.parse_schema(copy.deepcopy(schema)))
    assert isinstance(event, dict)
    return event


def _encode(schema: dict[str, Any], event: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(copy.deepcopy(schema)), event)
    return buffer.getvalue()


def _decode(value: bytes, writer: dict[str, Any], reader: dict[str, Any]) -> dict[str, Any]:
    event: Any = fastavro.schemaless_reader(
        io.BytesIO(value),
        fastavro.parse_schema(copy.deepcopy(writer)),
        fastavro.parse_schema(copy.deepcopy(reader)),
    )
    assert isinstance(event, dict)
    return event


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """The records, fields and enums of a schema, at any depth."""
    if isinstance(node, list):
        for value in node:
            yield from _nodes(value)
    elif isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)


def _with_new_field(schema: dict[str, Any]) -> dict[str, Any]:
    """What a later version may look like: each record has one more field, with a default."""
    extended = copy.deepcopy(schema)
    added = {"name": "added_later", "type": "string", "default": "", "doc": "New."}
    for node in list(_nodes(extended)):
        if node.get("type") == "record":
            node["fields"] = [*node["fields"], added]
    return extended
