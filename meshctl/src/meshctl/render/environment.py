"""What a department's pods are told, and what is mounted for them."""

from __future__ import annotations

import json

from city_backbone.registration import Registration

from meshctl.catalogue import Catalogue
from meshctl.render import edges, names
from meshctl.render.names import Component, Object
from meshctl.render.sizes import Size


def variables(
    service: Registration, catalogue: Catalogue, size: Size, component: Component
) -> list[Object]:
    """The container's `env`. It goes before `envFrom`: nobody renames a department by a Secret."""
    values: dict[str, str | Object] = {
        "ROLE": component,
        "INSTANCE": {"fieldRef": {"fieldPath": "metadata.name"}},
        "KAFKA__BOOTSTRAP_SERVERS": names.BOOTSTRAP,
        "KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA__USERNAME": _secret("kafka", "username"),
        "KAFKA__PASSWORD": _secret("kafka", "password"),
        "KAFKA__CA_FILE": f"{names.TLS}/ca.crt",
        "REGISTRY__URL": names.REGISTRY_URL,
        "DATABASE__DSN": _secret(f"{names.POSTGRES}-app", "uri"),
        "TLS__CERT_FILE": f"{names.TLS}/tls.crt",
        "TLS__KEY_FILE": f"{names.TLS}/tls.key",
        "TLS__CA_FILE": f"{names.TLS}/ca.crt",
        "GRPC__PORT": str(service.port or 0),
        "HTTP__PORT": str(service.http_port or 0),
        "HEALTH__PORT": str(names.HEALTH_PORT),
        "POLICY_FILE": f"{names.POLICY}/policy.json",
        "PEERS": json.dumps(peers(service, catalogue)),
        **{setting: f"{names.FOLDERS}/{names.folder(setting)}" for setting in service.folders},
    }
    if component == "stream":
        values["KAFKA__SESSION_TIMEOUT_SECONDS"] = str(size.session_seconds)
    prefix = service.service.upper()
    return [
        *(_variable(f"{prefix}_{name}", value) for name, value in values.items()),
        # Of PostgreSQL's client library, for every connection that names nothing else.
        _variable("PGSSLMODE", "verify-ca"),
        _variable("PGSSLROOTCERT", f"{names.DATABASE_CA}/ca.crt"),
        _variable("OTEL_EXPORTER_OTLP_ENDPOINT", names.COLLECTOR_URL),
    ]


def peers(service: Registration, catalogue: Catalogue) -> dict[str, str]:
    """Where the departments are that this one calls: all pods of each, balanced by the caller."""
    return {
        called.service: f"dns:///{called.service}.{names.tenant(called.service)}"
        f".svc.cluster.local:{called.port}"
        for called in edges.neighbours(service, catalogue)
    }


def sources(service: Registration) -> list[Object]:
    """Secrets whose every key is a variable: what is registered, and what a city adds."""
    added: Object = {"secretRef": {"name": "local-settings", "optional": True}}
    if not service.secrets:
        return [added]
    return [{"secretRef": {"name": "settings"}}, added]


def mounts(service: Registration) -> list[Object]:
    return [
        {"name": names.IDENTITY, "mountPath": names.TLS, "readOnly": True},
        {"name": "policy", "mountPath": names.POLICY, "readOnly": True},
        {"name": "postgres-ca", "mountPath": names.DATABASE_CA, "readOnly": True},
        *(
            {"name": names.folder(one), "mountPath": f"{names.FOLDERS}/{names.folder(one)}"}
            for one in service.folders
        ),
        {"name": "tmp", "mountPath": "/tmp"},
    ]


def volumes(service: Registration) -> list[Object]:
    authority = {"key": "ca.crt", "path": "ca.crt"}
    return [
        {"name": names.IDENTITY, "secret": {"secretName": names.IDENTITY, "defaultMode": 0o440}},
        {"name": "policy", "configMap": {"name": "policy"}},
        {
            "name": "postgres-ca",
            # Its key signs the database's certificates: it stays out.
            "secret": {"secretName": f"{names.POSTGRES}-ca", "items": [authority]},
        },
        *(
            {
                "name": names.folder(one),
                "persistentVolumeClaim": {"claimName": names.folder(one)},
            }
            for one in service.folders
        ),
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]


def _secret(name: str, key: str) -> Object:
    return {"secretKeyRef": {"name": name, "key": key}}


def _variable(name: str, value: str | Object) -> Object:
    if isinstance(value, str):
        return {"name": name, "value": value}
    return {"name": name, "valueFrom": value}
