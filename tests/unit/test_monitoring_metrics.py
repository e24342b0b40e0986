"""Rules and dashboards ask for metrics and labels that somebody emits."""

import ast
import functools
import importlib
import re
from pathlib import Path

import grpc
import pytest
import yaml
from google.protobuf.descriptor import FileDescriptor

from .monitoring_emitted import ROOT, SOURCES, Emitted, emitted, instruments
from .monitoring_queries import MONITORING, Query, Selector, queries, recorded, uses

# Given by prometheus.yml or a PodMonitor, or by the operators of other scrapes.
TARGET_LABELS = {"job", "instance", "department", "component", "namespace", "pod", "container"}


@functools.cache
def ours() -> dict[str, Emitted]:
    return emitted(instruments())


@functools.cache
def external() -> dict[str, set[str]]:
    listed = yaml.safe_load((MONITORING / "external-metrics.yaml").read_text())
    return {name: set(labels) for metrics in listed.values() for name, labels in metrics.items()}


@functools.cache
def departments() -> set[str]:
    return {file.parent.name for file in ROOT.glob("services/*/service.yaml")}


@functools.cache
def words() -> set[str]:
    """Every word that a label's value may be: text and names in the sources, statuses of gRPC."""
    found = {code.name for code in grpc.StatusCode}
    for file in (file for source in SOURCES for file in source.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
    return {word.lower() for word in found}


def labels_of(metric: str) -> set[str] | None:
    if metric in ours():
        return set(ours()[metric].labels)
    return external().get(metric, recorded().get(metric))


def problems(query: Query) -> list[str]:
    """What of it nobody emits."""
    found, known = [], set(TARGET_LABELS)
    asked = uses(query.expression)
    for selector in asked.selectors:
        labels = labels_of(selector.metric)
        if labels is None:
            found.append(f"nobody emits {selector.metric}")
            continue
        known |= labels
        found += _of_matchers(selector, labels | TARGET_LABELS)
    found += [f"grouped by {label}" for label in sorted((asked.grouping | asked.joining) - known)]
    shown = (asked.grouping or known) | asked.made
    found += [f"shows {label}" for label in sorted(query.legend - shown)]
    return found


def _of_matchers(selector: Selector, labels: set[str]) -> list[str]:
    found = []
    metric = selector.metric
    for label, operator, value in selector.matchers:
        values = [one for one in value.split("|") if re.fullmatch(r"[\w. -]+", one)]
        if label not in labels:
            found.append(f"{metric} has no label {label}")
        elif label == "le":
            buckets = ours()[metric].buckets
            found += [f"{metric} has no bucket {value}"] if value not in buckets else []
        elif label == "department" and "$" not in value:
            found += [f"no department {one}" for one in values if one not in departments()]
        elif metric in ours() and label not in {*TARGET_LABELS, "rpc_method"}:
            found += [
                f"{metric}: nothing in the sources is {label}{operator}{one}"
                for one in values
                if one.lower() not in words()
            ]
    return found


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.where)
def test_somebody_emits_what_is_asked_for(query: Query) -> None:
    assert uses(query.expression).selectors, "no metric was read from the expression"
    assert problems(query) == []


@pytest.mark.parametrize(
    ("expression", "legend", "problem"),
    [
        (
            "max(city_stream_time_lags_seconds) > 1",
            "",
            "nobody emits city_stream_time_lags_seconds",
        ),
        ("rate(city_outbox_rejected[5m])", "", "nobody emits city_outbox_rejected"),
        ('city_sensors_stations{status="silent"}', "", "city_sensors_stations has no label status"),
        (
            'city_sensors_stations{state="quiet-ish"}',
            "",
            "city_sensors_stations: nothing in the sources is state=quiet-ish",
        ),
        ("sum by (rooms) (city_emergency_room_breaker)", "", "grouped by rooms"),
        ("sum by (room) (city_emergency_room_breaker)", "instance", "shows instance"),
        ('up{department="sensor"}', "", "no department sensor"),
        (
            'rpc_server_call_duration_seconds_bucket{le="0.3"}',
            "",
            "rpc_server_call_duration_seconds_bucket has no bucket 0.3",
        ),
    ],
)
def test_what_nobody_emits_is_found(expression: str, legend: str, problem: str) -> None:
    asked = Query("here", expression, frozenset([legend] if legend else []))
    assert problems(asked) == [problem]


def test_the_list_of_others_metrics_holds_nothing_unused_and_nothing_of_ours() -> None:
    used = {one.metric for query in queries() for one in uses(query.expression).selectors}
    assert set(external()) <= used
    assert not set(external()) & set(ours())


def test_each_recorded_metric_is_used() -> None:
    used = {one.metric for query in queries() for one in uses(query.expression).selectors}
    assert set(recorded()) <= used


def test_latency_leaves_out_exactly_the_streams() -> None:
    methods = dict(_methods())
    patterns = {
        value
        for query in queries()
        for selector in uses(query.expression).selectors
        for label, operator, value in selector.matchers
        if (label, operator) == ("rpc_method", "!~")
    }
    (pattern,) = patterns
    assert [method for method in methods if re.fullmatch(pattern, method)] == [
        method for method, streams in methods.items() if streams
    ]


def _methods() -> list[tuple[str, bool]]:
    folder = ROOT / "protos"
    found = []
    for file in sorted(folder.glob("city/**/*.proto")):
        name = ".".join(Path(file).relative_to(folder).with_suffix("").parts) + "_pb2"
        descriptor: FileDescriptor = importlib.import_module(name).DESCRIPTOR
        for service in descriptor.services_by_name.values():
            found += [
                (f"{service.full_name}/{method.name}", _streams(method))
                for method in service.methods
            ]
    return found


def _streams(method: object) -> bool:
    return bool(getattr(method, "client_streaming", 0) or getattr(method, "server_streaming", 0))


@pytest.mark.parametrize(
    ("bean", "metric"),
    [
        (
            "kafka.controller<type=KafkaController, name=ActiveControllerCount><>Value",
            "kafka_controller_kafkacontroller_activecontrollercount",
        ),
        (
            "kafka.controller<type=KafkaController, name=OfflinePartitionsCount><>Value",
            "kafka_controller_kafkacontroller_offlinepartitionscount",
        ),
        (
            "kafka.server<type=BrokerTopicMetrics, name=BytesInPerSec><>Count",
            "kafka_server_brokertopicmetrics_bytesinpersec_total",
        ),
        (
            "kafka.server<type=BrokerTopicMetrics, name=BytesOutPerSec><>Count",
            "kafka_server_brokertopicmetrics_bytesoutpersec_total",
        ),
        (
            "kafka.server<type=ReplicaManager, name=LeaderCount><>Value",
            "kafka_server_replicamanager_leadercount",
        ),
        (
            "kafka.server<type=ReplicaManager, name=UnderMinIsrPartitionCount><>Value",
            "kafka_server_replicamanager_underminisrpartitioncount",
        ),
        (
            "kafka.server<type=ReplicaManager, name=UnderReplicatedPartitions><>Value",
            "kafka_server_replicamanager_underreplicatedpartitions",
        ),
    ],
)
def test_the_brokers_exporter_names_them_so(bean: str, metric: str) -> None:
    rules = yaml.safe_load((ROOT / "deploy/k8s/platform/kafka/metrics.yaml").read_text())
    assert metric in external()
    assert not any(
        bean.startswith(left_out.removesuffix("*").replace(":", "<").removesuffix(","))
        for left_out in rules["excludeObjectNames"]
    )
    for rule in rules["rules"]:
        if found := re.match(rule["pattern"], bean):
            assert found.expand(rule["name"].replace("$", "\\")).lower() == metric
            return
    raise AssertionError("no rule of the exporter matches")
