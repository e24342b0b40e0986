"""A dashboard is rows of panels; Grafana's JSON of it, with places and numbers given here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_COLUMNS = 24
_HEIGHTS = {"stat": 4, "timeseries": 8, "state-timeline": 8, "bargauge": 8, "table": 8}
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_GREEN, _YELLOW, _RED = "green", "yellow", "red"

Json = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """`shows` are expressions by legend. `steps`: where yellow and where red begins.

    Falling steps mean that little is bad. `states` are word and colour by value.
    """

    title: str
    description: str
    unit: str
    shows: Mapping[str, str]
    type: str = "timeseries"
    width: int = 8
    steps: Sequence[float] | None = None
    states: Mapping[str, Sequence[str]] = field(default_factory=dict)
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[Panel]


def _thresholds(steps: Sequence[float] | None) -> Json:
    if steps is None:
        found: list[tuple[str, float | None]] = [(_GREEN, None)]
    elif steps[0] > steps[1]:
        found = [(_RED, None), (_YELLOW, steps[1]), (_GREEN, steps[0])]
    else:
        found = [(_GREEN, None), (_YELLOW, steps[0]), (_RED, steps[1])]
    return {
        "mode": "absolute",
        "steps": [{"color": color, "value": value} for color, value in found],
    }


def _mappings(panel: Panel) -> list[Json]:
    options = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(panel.states.items())
    }
    return [{"type": "value", "options": options}] if options else []


def _custom(panel: Panel) -> Json:
    if panel.type == "state-timeline":
        return {"fillOpacity": 80, "lineWidth": 0}
    if panel.type != "timeseries":
        return {}
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }


def _options(panel: Panel) -> Json:
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options: dict[str, Json] = {
        "stat": {
            "reduceOptions": reduce,
            "colorMode": "background" if panel.steps or panel.states else "value",
            "graphMode": "none" if panel.states else "area",
            "textMode": "auto",
            "orientation": "auto",
            "justifyMode": "auto",
        },
        "timeseries": {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
        "state-timeline": {"legend": legend, "showValue": "never", "mergeValues": True},
        "bargauge": {
            "reduceOptions": reduce,
            "displayMode": "basic",
            "orientation": "horizontal",
            "valueMode": "text",
        },
        "table": {"showHeader": True, "cellHeight": "sm"},
    }
    return options[panel.type]


def _panel(panel: Panel, number: int, x: int, y: int) -> Json:
    instant = panel.type in ("table", "bargauge")
    made = {
        "id": number,
        "type": panel.type,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHTS[panel.type], "w": panel.width, "x": x, "y": y},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "color": {
                    "mode": "thresholds" if panel.type != "timeseries" else "palette-classic"
                },
                "thresholds": _thresholds(panel.steps),
                "mappings": _mappings(panel),
                "custom": _custom(panel),
                "noValue": "–",
            },
            "overrides": [],
        },
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": instant,
                "range": not instant,
                "format": "table" if panel.type == "table" else "time_series",
            }
            for index, (legend, expression) in enumerate(panel.shows.items())
        ],
    }
    if panel.type == "table":
        made["transformations"] = [
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True, "Value": True, "__name__": True, "job": True}
                },
            }
        ]
    return made


def _row(title: str, number: int, y: int) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": y},
        "panels": [],
    }


def _laid_out(rows: Sequence[Row]) -> list[Json]:
    laid: list[Json] = []
    y = 0
    for row in rows:
        laid.append(_row(row.title, len(laid) + 1, y))
        y, x, height = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > _COLUMNS:
                x, y, height = 0, y + height, 0
            laid.append(_panel(panel, len(laid) + 1, x, y))
            x, height = x + panel.width, max(height, _HEIGHTS[panel.type])
        y += height
    return laid


def _variable(name: str, query: str) -> Json:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "hide": 0,
    }


def written(
    name: str, title: str, description: str, variables: Mapping[str, str], rows: Sequence[Row]
) -> str:
    """The JSON that Grafana imports; `variables` are the queries that list their values."""
    source = {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "options": [],
        "hide": 0,
        "refresh": 1,
    }
    firing = {
        "name": "Alerts",
        "datasource": _SOURCE,
        "enable": True,
        "iconColor": _RED,
        "expr": 'ALERTS{alertstate="firing", severity="page"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{department}} {{room}}",
        "step": "30s",
    }
    made = {
        "uid": f"citymesh-{name}",
        "title": title,
        "description": description,
        "tags": ["citymesh"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "15s",
        "timezone": "Asia/Seoul",
        "time": {"from": "now-3h", "to": "now"},
        "annotations": {"list": [firing]},
        "links": [
            {
                "title": "citymesh",
                "type": "dashboards",
                "tags": ["citymesh"],
                "asDropdown": True,
                "includeVars": False,
                "keepTime": True,
                "icon": "external link",
                "url": "",
                "targetBlank": False,
            }
        ],
        "templating": {"list": [source, *(_variable(*one) for one in variables.items())]},
        "panels": _laid_out(rows),
    }
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"
