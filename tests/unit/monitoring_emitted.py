"""Which metrics the departments emit, found in their sources, under the names Prometheus sees.

Each `create_counter(...)` and its like is read with its name, unit and labels; the real exporter
translates the names. What cannot be read raises Unreadable: then it is not known either.
"""

import ast
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "backbone" / "src", *sorted(ROOT.glob("services/*/src"))]

_KINDS = {
    name
    for name in dir(Meter)
    if name.startswith("create_") and not name.startswith("create_observable_")
}
_OBSERVABLE = {name for name in dir(Meter) if name.startswith("create_observable_")}
_RECORDS = ("add", "record", "set")


class Unreadable(Exception):
    """An instrument whose name or labels are not plain enough to be read from the source."""


@dataclass(frozen=True)
class Instrument:
    """As it is created in the source; `labels` are OpenTelemetry's names."""

    create: str
    name: str
    unit: str
    boundaries: tuple[float, ...] | None
    labels: frozenset[str]
    where: str


@dataclass(frozen=True)
class Emitted:
    """Labels of a metric that Prometheus sees, and its buckets' `le`."""

    labels: frozenset[str]
    buckets: frozenset[str]


def instruments() -> list[Instrument]:
    """Of the backbone and all departments."""
    return [
        one
        for source in SOURCES
        for file in sorted(source.rglob("*.py"))
        if "meter" in file.read_text()
        for one in _of_file(source, file)
    ]


def emitted(found: Sequence[Instrument]) -> dict[str, Emitted]:
    """By the names that a scrape shows, `_bucket` and the like included."""
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    meter = MeterProvider(metric_readers=[reader]).get_meter("all")
    for one in {(one.create, one.name): one for one in found}.values():
        _use(meter, one, dict.fromkeys(_labels(found, one), "x"))
    names: dict[str, Emitted] = {}
    for family in registry.collect():
        for sample in family.samples:
            known = names.get(sample.name, Emitted(frozenset(), frozenset()))
            le = {sample.labels["le"]} if "le" in sample.labels else set()
            names[sample.name] = Emitted(
                known.labels | frozenset(sample.labels), known.buckets | le
            )
    return names


def _labels(found: Sequence[Instrument], wanted: Instrument) -> frozenset[str]:
    return frozenset().union(*(one.labels for one in found if one.name == wanted.name))


def _use(meter: Any, one: Instrument, labels: dict[str, str]) -> None:
    create = getattr(meter, one.create)
    if one.create in _OBSERVABLE:
        create(one.name, [lambda _: [Observation(1, labels)]], unit=one.unit)
        return
    extra = {"explicit_bucket_boundaries_advisory": one.boundaries} if one.boundaries else {}
    made = create(one.name, unit=one.unit, **extra)
    record = next(getattr(made, name) for name in _RECORDS if hasattr(made, name))
    record(1, labels)


def _of_file(source: Path, file: Path) -> Iterator[Instrument]:
    parts = file.relative_to(source).with_suffix("").parts
    module = importlib.import_module(".".join(parts))
    tree = ast.parse(file.read_text())
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if _called(node) in _KINDS | _OBSERVABLE:
            assert isinstance(node, ast.Call)
            yield from _File(vars(module), tree, parents, str(file.relative_to(ROOT))).read(node)


def _called(node: ast.AST) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr
    return ""


@dataclass(frozen=True)
class _File:
    names: dict[str, Any]
    tree: ast.Module
    parents: dict[ast.AST, ast.AST]
    path: str

    def read(self, call: ast.Call) -> Iterator[Instrument]:
        where = f"{self.path}:{call.lineno}"
        given = self._given(call, ["name"] if _called(call) in _KINDS else ["name", "callbacks"])
        labels = self._labels(call, given)
        for bound in self._bindings(call):
            try:
                values = {
                    key: self._value(given[key], bound)
                    for key in ("name", "unit", "explicit_bucket_boundaries_advisory")
                    if key in given
                }
            except NameError as error:
                raise Unreadable(f"{where}: {error}; name it with a constant") from error
            boundaries = values.get("explicit_bucket_boundaries_advisory")
            yield Instrument(
                _called(call),
                values["name"],
                values.get("unit", ""),
                tuple(boundaries) if boundaries else None,
                labels,
                where,
            )

    @staticmethod
    def _given(call: ast.Call, positional: Sequence[str]) -> dict[str, ast.expr]:
        named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        return {**dict(zip(positional, call.args, strict=False)), **named}

    def _value(self, node: ast.expr, bound: dict[str, ast.expr]) -> Any:
        if isinstance(node, ast.Name) and node.id in bound:
            return self._value(bound[node.id], {})
        return eval(compile(ast.Expression(node), self.path, "eval"), self.names)

    def _around(self, node: ast.AST, kinds: tuple[type[ast.AST], ...]) -> Any:
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, kinds):
                return node
        return self.tree

    def _bindings(self, call: ast.Call) -> Iterator[dict[str, ast.expr]]:
        """What the parameters of the function around it stand for, for each call of a helper."""
        function = self._around(call, (ast.FunctionDef,))
        parameters = (
            [argument.arg for argument in function.args.args]
            if isinstance(function, ast.FunctionDef)
            else []
        )
        first = call.args[0]
        if not (isinstance(first, ast.Name) and first.id in parameters):
            yield {}
            return
        defaults = dict(zip(reversed(parameters), reversed(function.args.defaults), strict=False))
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == function.name
            ):
                yield {**defaults, **self._given(node, parameters)}

    def _labels(self, call: ast.Call, given: dict[str, ast.expr]) -> frozenset[str]:
        scope = self._around(call, (ast.ClassDef,))
        if _called(call) in _OBSERVABLE:
            callbacks = given["callbacks"]
            within: list[ast.AST] = [callbacks]
            wanted = {
                node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
                for node in ast.walk(callbacks)
            }
            within += [
                node
                for node in ast.walk(scope)
                if isinstance(node, ast.FunctionDef) and node.name in wanted
            ]
            records = [
                node
                for part in within
                for node in ast.walk(part)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "Observation"
            ]
        else:
            target = self._target(call)
            records = [
                node
                for node in ast.walk(scope)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in _RECORDS
                and (node.func.value is call or ast.unparse(node.func.value) == target)
            ]
        if not records:
            raise Unreadable(f"{self.path}:{call.lineno}: nothing is recorded")
        return frozenset().union(*(self._keys(record) for record in records))

    def _target(self, call: ast.Call) -> str:
        parent = self.parents[call]
        return ast.unparse(parent.targets[0]) if isinstance(parent, ast.Assign) else ""

    def _keys(self, record: ast.Call) -> set[str]:
        if len(record.args) < 2:
            return set()
        attributes = record.args[1]
        if isinstance(attributes, ast.Name):
            function = self._around(record, (ast.FunctionDef, ast.AsyncFunctionDef))
            attributes = next(
                (
                    node.value
                    for node in ast.walk(function)
                    if isinstance(node, ast.Assign)
                    and ast.unparse(node.targets[0]) == attributes.id
                ),
                attributes,
            )
        if not isinstance(attributes, ast.Dict):
            raise Unreadable(f"{self.path}:{record.lineno}: labels that are no plain dictionary")
        return {self._value(key, {}) for key in attributes.keys if key is not None}
