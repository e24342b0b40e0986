"""The Job that registers the department's schemas, anew whenever one of them changes."""

from __future__ import annotations

from collections.abc import Mapping

from city_backbone.registration import Registration

from meshctl.render import names, network, sizes, workload
from meshctl.render.names import Object

_KEPT_SECONDS = 3600
_DEADLINE_SECONDS = 600


def objects(service: Registration, files: Mapping[str, str], version: str) -> list[Object]:
    """ConfigMap with the registration and its schemas, the Job, and what it may reach.

    `files` are service.yaml and events/<schema>; `version` is meshctl's.
    """
    if not service.produces:
        return []
    name = service.service
    content = {path.rpartition("/")[2]: text for path, text in files.items()}
    configuration = f"registration-{names.digest(content)}"
    spec = _spec(service, [*files], configuration, version)
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": names.metadata(configuration, names.tenant(name), names.labels(name)),
            "data": content,
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            # A Job cannot be changed, so what it does is in its name.
            "metadata": names.metadata(
                f"{name}-schemas-{names.digest(spec)}", names.tenant(name), _labels(name)
            ),
            "spec": spec,
        },
        network.policy(
            "schemas",
            name,
            {names.NAME: _labels(name)[names.NAME]},
            egress=[network.dns(), network.registry()],
        ),
    ]


def _labels(service: str) -> dict[str, str]:
    return names.labels(f"{service}-schemas", "schemas")


def _spec(service: Registration, paths: list[str], configuration: str, version: str) -> Object:
    registration = f"{names.REGISTRATION}/service.yaml"
    items = [{"key": path.rpartition("/")[2], "path": path} for path in paths]
    return {
        "backoffLimit": 10,
        "activeDeadlineSeconds": _DEADLINE_SECONDS,
        "ttlSecondsAfterFinished": _KEPT_SECONDS,
        "template": {
            "metadata": {"labels": _labels(service.service)},
            "spec": {
                "restartPolicy": "OnFailure",
                "serviceAccountName": service.service,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "priorityClassName": workload.priority_class(service),
                "securityContext": workload.pod_security(),
                "containers": [
                    {
                        "name": "register",
                        "image": f"citymesh/meshctl:{version}",
                        "command": ["meshctl", "register"],
                        "args": ["--registry", names.REGISTRY_URL, registration],
                        "resources": sizes.container(sizes.SCHEMAS_JOB),
                        "securityContext": workload.container_security(),
                        "volumeMounts": [
                            {
                                "name": "registration",
                                "mountPath": names.REGISTRATION,
                                "readOnly": True,
                            },
                            {"name": "tmp", "mountPath": "/tmp"},
                        ],
                    }
                ],
                "volumes": [
                    {"name": "registration", "configMap": {"name": configuration, "items": items}},
                    {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
                ],
            },
        },
    }
