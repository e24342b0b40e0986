"""Kubernetes' pod security standard "restricted", and what this mesh asks beyond it."""

from __future__ import annotations

from collections.abc import Iterator

from .manifests import Object

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECCOMP = ("RuntimeDefault", "Localhost")
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
_SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def problems(spec: Object) -> list[str]:
    """Where a pod is not restricted."""
    return [*_of_pod(spec), *(one for found in _containers(spec) for one in _of(found, spec))]


def hardening_problems(spec: Object) -> list[str]:
    """Beyond the standard: a read-only root, no token, a number for a user, bounded resources."""
    return [*_hard_pod(spec), *(one for found in _containers(spec) for one in _hard(found, spec))]


def _containers(spec: Object) -> list[Object]:
    return [
        *spec.get("initContainers", []),
        *spec["containers"],
        *spec.get("ephemeralContainers", []),
    ]


def _of_pod(spec: Object) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{key} is on"
    for volume in spec.get("volumes", []):
        kinds = volume.keys() - {"name"}
        if not kinds <= _VOLUMES:
            yield f"volume {volume['name']} is of {', '.join(sorted(kinds - _VOLUMES))}"
    context = spec.get("securityContext", {})
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in _SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    yield from _context(context, "pod")


def _of(container: Object, spec: Object) -> Iterator[str]:
    name, pod = container["name"], spec.get("securityContext", {})
    own = container.get("securityContext", {})
    if own.get("privileged"):
        yield f"{name}: privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation is not off"
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield f"{name}: runAsNonRoot is not on"
    seccomp = own.get("seccompProfile", pod.get("seccompProfile", {}))
    if seccomp.get("type") not in _SECCOMP:
        yield f"{name}: seccompProfile {seccomp.get('type')}"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield f"{name}: capabilities are not all dropped"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities {capabilities['add']} are added"
    if own.get("procMount", "Default") != "Default":
        yield f"{name}: procMount {own['procMount']}"
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield f"{name}: hostPort {port['hostPort']}"
    for handler in _handlers(container):
        if handler.get("host"):
            yield f"{name}: a probe or hook asks another host"
    yield from _context(own, name)


def _context(context: Object, where: str) -> Iterator[str]:
    """What holds for a pod's security context and for a container's."""
    if context.get("runAsUser") == 0:
        yield f"{where}: runAsUser 0"
    if context.get("seccompProfile", {}).get("type", _SECCOMP[0]) not in _SECCOMP:
        yield f"{where}: seccompProfile {context['seccompProfile']['type']}"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type", "") not in _SELINUX or selinux.get("user") or selinux.get("role"):
        yield f"{where}: seLinuxOptions"
    armor = context.get("appArmorProfile", {}).get("type", "RuntimeDefault")
    if armor not in ("RuntimeDefault", "Localhost"):
        yield f"{where}: appArmorProfile {armor}"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield f"{where}: hostProcess"


def _handlers(container: Object) -> Iterator[Object]:
    probes = [container.get(f"{one}Probe", {}) for one in ("liveness", "readiness", "startup")]
    for found in [*probes, *container.get("lifecycle", {}).values()]:
        for kind in ("httpGet", "tcpSocket"):
            yield found.get(kind, {})


def _hard_pod(spec: Object) -> Iterator[str]:
    if spec.get("automountServiceAccountToken") is not False:
        yield "a token of the ServiceAccount is mounted"
    if spec.get("enableServiceLinks") is not False:
        # They put <NAME>_PORT and the like among the variables that settings are read from.
        yield "enableServiceLinks is not off"
    if spec.get("serviceAccountName", "default") == "default":
        yield "the ServiceAccount is the namespace's default"
    if not spec.get("priorityClassName"):
        yield "no priority class"


def _hard(container: Object, spec: Object) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext", {})
    if own.get("readOnlyRootFilesystem") is not True:
        yield f"{name}: the root file system can be written"
    user = own.get("runAsUser", spec.get("securityContext", {}).get("runAsUser"))
    if not isinstance(user, int) or user < 10_000:
        yield f"{name}: runAsUser {user} may be somebody of the host"
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        for what in ("cpu", "memory"):
            # A limit of CPU only slows down what could use an idle core.
            if (kind, what) != ("limits", "cpu") and what not in resources.get(kind, {}):
                yield f"{name}: no {kind} of {what}"
    if ":" not in container["image"].rpartition("/")[2] or container["image"].endswith(":latest"):
        yield f"{name}: image {container['image']} names no version"
