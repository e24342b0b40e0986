"""The checker of the restricted standard sees each thing that the standard forbids."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from . import restricted
from .manifests import Object

GOOD: Object = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "serviceAccountName": "one",
    "priorityClassName": "one",
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "containers": [
        {
            "name": "one",
            "image": "one:1",
            "ports": [{"name": "http", "containerPort": 8080}],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "resources": {
                "requests": {"cpu": "1", "memory": "1Mi"},
                "limits": {"cpu": "1", "memory": "1Mi"},
            },
        }
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def pod(spec: Any) -> Any:
    return spec["securityContext"]


def own(spec: Any) -> Any:
    return spec["containers"][0]["securityContext"]


def container(spec: Any) -> Any:
    return spec["containers"][0]


def test_a_restricted_pod_is_let_be() -> None:
    assert restricted.problems(GOOD) == []
    assert restricted.hardening_problems(GOOD) == []


FORBIDDEN: list[Callable[[Any], Any]] = [
    lambda spec: spec.update(hostNetwork=True),
    lambda spec: spec.update(hostPID=True),
    lambda spec: spec.update(hostIPC=True),
    lambda spec: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    lambda spec: spec["volumes"].append({"name": "net", "nfs": {"server": "s", "path": "/"}}),
    lambda spec: pod(spec).update(runAsNonRoot=False),
    lambda spec: pod(spec).pop("runAsNonRoot"),
    lambda spec: pod(spec).update(runAsUser=0),
    lambda spec: pod(spec).pop("seccompProfile"),
    lambda spec: pod(spec).update(seccompProfile={"type": "Unconfined"}),
    lambda spec: pod(spec).update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    lambda spec: pod(spec).update(seLinuxOptions={"type": "spc_t"}),
    lambda spec: pod(spec).update(appArmorProfile={"type": "Unconfined"}),
    lambda spec: pod(spec).update(windowsOptions={"hostProcess": True}),
    lambda spec: own(spec).update(privileged=True),
    lambda spec: own(spec).update(allowPrivilegeEscalation=True),
    lambda spec: own(spec).pop("allowPrivilegeEscalation"),
    lambda spec: own(spec).update(runAsNonRoot=False),
    lambda spec: own(spec).update(runAsUser=0),
    lambda spec: own(spec).update(seccompProfile={"type": "Unconfined"}),
    lambda spec: own(spec).update(capabilities={"drop": ["NET_RAW"]}),
    lambda spec: own(spec).update(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    lambda spec: own(spec).pop("capabilities"),
    lambda spec: own(spec).update(procMount="Unmasked"),
    lambda spec: own(spec).update(seLinuxOptions={"user": "root"}),
    lambda spec: container(spec)["ports"][0].update(hostPort=80),
    lambda spec: container(spec).update(livenessProbe={"httpGet": {"host": "other", "port": 1}}),
    lambda spec: container(spec).update(
        lifecycle={"postStart": {"tcpSocket": {"host": "other", "port": 1}}}
    ),
    lambda spec: spec.update(initContainers=[{"name": "two", "image": "two:1"}]),
]


@pytest.mark.parametrize("index", range(len(FORBIDDEN)))
def test_what_the_standard_forbids_is_seen(index: int) -> None:
    spec = copy.deepcopy(GOOD)
    FORBIDDEN[index](spec)
    assert restricted.problems(spec)


ASKED: list[Callable[[Any], Any]] = [
    lambda spec: spec.pop("automountServiceAccountToken"),
    lambda spec: spec.pop("enableServiceLinks"),
    lambda spec: spec.update(serviceAccountName="default"),
    lambda spec: spec.pop("priorityClassName"),
    lambda spec: own(spec).pop("readOnlyRootFilesystem"),
    lambda spec: pod(spec).update(runAsUser=1000),
    lambda spec: container(spec)["resources"].pop("requests"),
    lambda spec: container(spec)["resources"]["limits"].pop("memory"),
    lambda spec: container(spec).update(image="one"),
    lambda spec: container(spec).update(image="one:latest"),
]


@pytest.mark.parametrize("index", range(len(ASKED)))
def test_what_the_mesh_asks_beyond_it_is_seen(index: int) -> None:
    spec = copy.deepcopy(GOOD)
    ASKED[index](spec)
    assert restricted.hardening_problems(spec)
