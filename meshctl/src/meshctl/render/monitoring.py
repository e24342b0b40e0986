"""What Prometheus looks at, and the project's rules and dashboards as objects."""

from __future__ import annotations

from typing import Any

from city_backbone.registration import Registration

from meshctl.render import names
from meshctl.render.names import Object

_NAME = "__meta_kubernetes_pod_label_app_kubernetes_io_name"
_COMPONENT = "__meta_kubernetes_pod_label_app_kubernetes_io_component"
_POD = "__meta_kubernetes_pod_name"


def pod_monitor(service: Registration) -> Object:
    """The department's pods, labelled as deploy/monitoring's rules expect."""
    return _monitor(
        service.service,
        service.service,
        {"matchLabels": names.selector(service.service)},
        {
            "port": "http",
            "path": "/metrics",
            "interval": "15s",
            "relabelings": [
                {"targetLabel": "job", "replacement": "citymesh"},
                *(
                    {"sourceLabels": [source], "targetLabel": target}
                    for source, target in (
                        (_NAME, "department"),
                        (_POD, "instance"),
                        (_COMPONENT, "component"),
                    )
                ),
            ],
            "metricRelabelings": [{"action": "labeldrop", "regex": "otel_scope_.+"}],
        },
    )


def postgres_monitor(service: str) -> Object:
    """The department's database."""
    return _monitor(
        names.POSTGRES,
        service,
        {"matchLabels": {"cnpg.io/cluster": names.POSTGRES, "cnpg.io/podRole": "instance"}},
        {"port": "metrics"},
    )


def rule(stem: str, spec: Any) -> Object:
    """A file of Prometheus' rules."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": names.metadata(
            f"citymesh-{stem}", names.MONITORING, {names.PART_OF: "citymesh"}
        ),
        "spec": spec,
    }


def dashboard(stem: str, text: str) -> Object:
    """A dashboard, which Grafana's sidecar finds by the label."""
    found = {names.PART_OF: "citymesh", "grafana_dashboard": "1"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(f"dashboard-{stem}", names.MONITORING, found),
        "data": {f"{stem}.json": text},
    }


def _monitor(name: str, service: str, selector: Object, endpoint: Object) -> Object:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": names.metadata(name, names.tenant(service), names.labels(service)),
        "spec": {"selector": selector, "podMetricsEndpoints": [endpoint]},
    }
