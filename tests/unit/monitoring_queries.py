"""What the rules and dashboards of deploy/monitoring ask for, as far as PromQL must be read."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"

_JOINING = {"on", "ignoring", "group_left", "group_right"}
_GROUPING = {"by", "without", *_JOINING}
_REPLACED = re.compile(r'"(\w+)", "\$1", "\w+", "[^"]+"\)')
_WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\$?[A-Za-z_:][\w:]*|\d[\w.]*|[=!<>~]+|[^\s]')


@dataclass(frozen=True)
class Query:
    """One expression, with the labels that its legend or alert names."""

    where: str
    expression: str
    legend: frozenset[str] = frozenset()


@dataclass
class Selector:
    """A metric and its matchers as (label, operator, value)."""

    metric: str
    matchers: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Uses:
    """What an expression names; `made` are the labels that label_replace adds."""

    selectors: list[Selector] = field(default_factory=list)
    grouping: set[str] = field(default_factory=set)
    joining: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)


def uses(expression: str) -> Uses:
    """Its selectors, and the labels it groups or joins by."""
    tokens = _TOKEN.findall(expression)
    found, position = Uses(made=set(_REPLACED.findall(expression))), 0
    while position < len(tokens):
        token = tokens[position]
        following = tokens[position + 1] if position + 1 < len(tokens) else ""
        if token in _GROUPING:
            end = _end(tokens, position, ")")
            labels = found.joining if token in _JOINING else found.grouping
            labels.update(one for one in tokens[position + 2 : end] if one != ",")
            position = end
        elif token == "[":
            position = _end(tokens, position, "]")
        elif token == "{":
            end = _end(tokens, position, "}")
            found.selectors[-1].matchers += _matchers(tokens[position + 1 : end])
            position = end
        elif _is_metric(token, following):
            found.selectors.append(Selector(token))
        position += 1
    return found


def _is_metric(token: str, following: str) -> bool:
    named = re.match(r"[A-Za-z_:]", token) and token.lower() not in _WORDS
    return bool(named) and following != "(" and following not in _GROUPING


def _end(tokens: Sequence[str], start: int, closing: str) -> int:
    return start + tokens[start:].index(closing)


def _matchers(tokens: Sequence[str]) -> list[tuple[str, str, str]]:
    kept = [token for token in tokens if token != ","]
    return [
        (label, operator, json.loads(value))
        for label, operator, value in zip(kept[::3], kept[1::3], kept[2::3], strict=True)
    ]


def groups() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each rule, with where it stands."""
    for file in sorted(MONITORING.glob("rules/*.yaml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or rule["record"]
                yield f"{file.name}: {group['name']}: {name}", rule


def recorded() -> dict[str, set[str]]:
    """Labels of the metrics that rules record."""
    labels: dict[str, set[str]] = {}
    rules = [rule for _, rule in groups() if "record" in rule]
    for rule in rules:
        asked = uses(rule["expr"])
        inherited = [labels.get(one.metric, set()) for one in asked.selectors]
        labels.setdefault(rule["record"], set()).update(
            asked.grouping, rule.get("labels", {}), *inherited
        )
    return labels


def dashboards() -> dict[str, dict[str, Any]]:
    """By file name."""
    return {file.name: json.loads(file.read_text()) for file in MONITORING.glob("dashboards/*")}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Without the rows' headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> list[Query]:
    """Of all rules, panels, variables and annotations; variables of ranges are filled in."""
    found = [Query(where, rule["expr"], _named(rule)) for where, rule in groups()]
    for name, dashboard in sorted(dashboards().items()):
        for panel in panels(dashboard):
            found += [
                Query(
                    f"{name}: {panel['title']}",
                    target["expr"].replace("$__rate_interval", "5m"),
                    frozenset(re.findall(r"{{(\w+)}}", target["legendFormat"])),
                )
                for target in panel["targets"]
            ]
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                parts = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
                assert parts, variable["definition"]
                found.append(Query(f"{name}: ${variable['name']}", parts[1], frozenset([parts[2]])))
        found += [
            Query(f"{name}: {one['name']}", one["expr"]) for one in dashboard["annotations"]["list"]
        ]
    return found


def _named(rule: dict[str, Any]) -> frozenset[str]:
    text = " ".join(rule.get("annotations", {}).values())
    return frozenset(re.findall(r"\$labels\.(\w+)", text)) - set(rule.get("labels", {}))
