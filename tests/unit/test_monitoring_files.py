"""Rules, their tests, dashboards and runbooks of deploy/monitoring hold together."""

import importlib.util
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .monitoring_emitted import ROOT
from .monitoring_queries import MONITORING, dashboards, groups, panels, queries

ALERTS = [(where, rule) for where, rule in groups() if "alert" in rule]
NAMES = sorted({rule["alert"] for _, rule in ALERTS})
RUNBOOKS = ROOT / "docs" / "runbooks.md"
TESTS = sorted(MONITORING.glob("tests/*.yaml"))


def promtool(*arguments: object) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed: Prometheus' own checks of the rules did NOT run")
    done = subprocess.run(
        [tool, *map(str, arguments)], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_configuration_and_rules() -> None:
    promtool("check", "config", "--lint-fatal", MONITORING / "prometheus.yml")


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_rules_fire_when_they_should(file: Path) -> None:
    promtool("test", "rules", file)


def test_prometheus_parses_every_expression_of_the_dashboards(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel_{number}", "expr": query.expression}
        for number, query in enumerate(queries())
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_is_seen_firing_and_silent(name: str) -> None:
    expected = [
        bool(one["exp_alerts"])
        for file in TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for one in test.get("alert_rule_test", [])
        if one["alertname"] == name
    ]
    assert True in expected, "no test in which it fires"
    assert False in expected, "no test in which it is silent"


@pytest.mark.parametrize(("where", "rule"), ALERTS, ids=[where for where, _ in ALERTS])
def test_an_alert_says_whom_it_wakes_and_where_to_read_on(where: str, rule: dict[str, Any]) -> None:
    annotations, labels = rule["annotations"], rule["labels"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert re.fullmatch("page|ticket|{{ if .*}}page{{ else }}ticket{{ end }}", labels["severity"])
    file, anchor = annotations["runbook_url"].split("#")
    assert ROOT / file == RUNBOOKS
    slos = ["availability", "latency", "freshness"]
    wanted = {anchor.replace("{{ $labels.slo }}", slo) for slo in slos}
    assert wanted <= set(_anchors())


def test_each_runbook_belongs_to_an_alert() -> None:
    named = {
        rule["annotations"]["runbook_url"].split("#")[1].replace("{{ $labels.slo }}", "")
        for _, rule in ALERTS
    }
    assert all(anchor.startswith(tuple(named)) for anchor in _anchors())


def _anchors() -> list[str]:
    """As GitHub makes them of the headings of the second and third level."""
    headings = re.findall(r"^### (.+)$", RUNBOOKS.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_targets_are_the_registered_departments() -> None:
    registered = {
        f"{one['service']}:{one['http_port']}"
        for file in ROOT.glob("services/*/service.yaml")
        for one in [yaml.safe_load(file.read_text())]
    }
    configuration = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    (job,) = [one for one in configuration["scrape_configs"] if one["job_name"] == "citymesh"]
    targets = [target for group in job["static_configs"] for target in group["targets"]]
    assert sorted(targets) == sorted(registered)


def test_each_department_has_its_dashboard() -> None:
    services = {file.parent.name for file in ROOT.glob("services/*/service.yaml")}
    assert set(dashboards()) == {f"{name}.json" for name in services | {"mesh", "kafka"}}


def test_dashboards_are_as_their_panels_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(MONITORING))
    spec = importlib.util.spec_from_file_location("dashboards", MONITORING / "dashboards.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delitem(sys.modules, "grafana")
    committed = {file.stem: file.read_text() for file in MONITORING.glob("dashboards/*.json")}
    assert module.rendered() == committed, "run: python deploy/monitoring/dashboards.py"


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_a_dashboard_is_one_that_grafana_takes(name: str) -> None:
    dashboard = dashboards()[name]
    assert dashboard["uid"] == f"citymesh-{Path(name).stem}"
    assert dashboard["schemaVersion"] >= 39
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))
    for one, other in itertools.combinations(dashboard["panels"], 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )
