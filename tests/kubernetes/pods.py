"""What every department's pod is to be, from its registration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from city_backbone.registration import Registration
from city_backbone.settings import ServiceSettings

from meshctl import policy

from . import settings
from .manifests import Object, Pod, World, catalogue, selects, told

TLS = "/etc/citymesh/tls"
HEALTH_PORT = 8086
KINDS = {"rpc": "Deployment", "stream": "StatefulSet"}
PRIORITIES = {name: f"citymesh-{name}" for name in ("urgent", "normal", "bulk")}


def of_service(world: World, own: Registration) -> dict[str, Pod]:
    """A department's lasting pods by component."""
    return {
        pod.labels["app.kubernetes.io/component"]: pod
        for pod in world.pods_of(f"city-{own.service}")
        if pod.lasts
    }


def problems(world: World, services: Iterable[Registration]) -> list[str]:
    """Where departments' pods are not as they are to be."""
    return [problem for own in services for problem in _of(world, own)]


def _of(world: World, own: Registration) -> Iterator[str]:
    name, space = own.service, f"city-{own.service}"
    found = of_service(world, own)
    if {part: (pod.owner["kind"], pod.name) for part, pod in found.items()} != {
        part: (kind, f"{name}-{part}") for part, kind in KINDS.items()
    }:
        yield f"{space}: expected {name}-rpc and {name}-stream"
        return
    for part, pod in found.items():
        for problem in (
            *_labels(pod, own, part),
            *_container(pod, own, part),
            *_life(world, pod, own),
        ):
            yield f"{pod.path}: {problem}"
    images = {pod.spec["containers"][0]["image"] for pod in found.values()}
    if len(images) != 1:
        yield f"{space}: images {', '.join(sorted(images))}, expected one"
    yield from _services(world, own)


def _labels(pod: Pod, own: Registration, part: str) -> Iterator[str]:
    wanted = {
        "app.kubernetes.io/name": own.service,
        "app.kubernetes.io/part-of": "citymesh",
        "app.kubernetes.io/component": part,
    }
    if not wanted.items() <= pod.labels.items():
        yield f"labels are {pod.labels}"
    if pod.spec.get("serviceAccountName") != own.service:
        yield "its ServiceAccount is not its own"


def _container(pod: Pod, own: Registration, part: str) -> Iterator[str]:
    if len(pod.spec["containers"]) != 1:
        yield "more than one container"
    container = pod.spec["containers"][0]
    ports = {"http": own.http_port, "health": HEALTH_PORT}
    if part == "rpc":
        ports["grpc"] = own.port
    if pod.ports != ports:
        yield f"ports are {pod.ports}, expected {ports}"
    instance = {"fieldRef": {"fieldPath": "metadata.name"}}
    variables = {one["name"]: one for one in container["env"]}
    given = dict(variables.get(f"{own.service.upper()}_INSTANCE", {}).get("valueFrom", {}))
    given.get("fieldRef", {}).pop("apiVersion", None)
    if given != instance:
        yield "INSTANCE is not the pod's name: a restarted member would be a new one to its group"
    for probe in ("liveness", "readiness"):
        asked = container.get(f"{probe}Probe", {}).get("grpc", {})
        if asked != {"port": HEALTH_PORT, "service": probe}:
            yield f"{probe} asks {asked}"
    started = container.get("startupProbe", {})
    patience = started.get("periodSeconds", 10) * started.get("failureThreshold", 3)
    if started.get("grpc", {}).get("port") != HEALTH_PORT or patience < 300:
        yield f"it is given {patience} s to start; it waits longer for its database and registry"


def _life(world: World, pod: Pod, own: Registration) -> Iterator[str]:
    container = pod.spec["containers"][0]
    pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if pause < 5:
        yield f"it ends {pause} s after it is told to: calls still come in by then"
    try:
        loaded = settings.loaded(world, pod, own)
    except Exception as error:
        yield f"its settings: {error}"
        return
    grace = pod.spec.get("terminationGracePeriodSeconds", 30)
    if grace < pause + loaded.shutdown_seconds + 3:
        yield f"killed after {grace} s, it needs {pause} s and {loaded.shutdown_seconds} s"
    if pod.spec.get("priorityClassName") != PRIORITIES[own.priority]:
        yield f"priority class {pod.spec.get('priorityClassName')} is not that of {own.priority}"
    part = pod.labels["app.kubernetes.io/component"]
    if loaded.role != part:
        yield f"role {loaded.role}"
    yield from _agreed(loaded, own, pod)
    yield from _mounted(world, pod, dict(settings.files(loaded)))


def _agreed(loaded: ServiceSettings, own: Registration, pod: Pod) -> Iterator[str]:
    """What the settings say, beside the same in the registration and elsewhere."""
    given = {
        "kafka": loaded.kafka.bootstrap_servers,
        "protocol": loaded.kafka.security_protocol,
        "user": loaded.kafka.username,
        "registry": loaded.registry.url,
        "grpc": loaded.grpc.port,
        "http": loaded.http.port,
        "health": loaded.health.port,
        "instance": loaded.instance,
        "peers": dict(loaded.peers),
        "certificate": str(loaded.tls.cert_file),
        "key": str(loaded.tls.key_file),
        "ca": str(loaded.tls.ca_file),
        "kafka's ca": str(loaded.kafka.ca_file),
    }
    wanted = {
        "kafka": "city-kafka-bootstrap.citymesh-kafka.svc:9093",
        "protocol": "SASL_SSL",
        "user": own.service,
        "registry": "http://registry.citymesh-registry.svc:8080/apis/ccompat/v7",
        "grpc": own.port,
        "http": own.http_port,
        "health": HEALTH_PORT,
        "instance": f"{pod.name}-0",
        "peers": {peer: address(peer) for peer in policy.peers(own, catalogue().services)},
        "certificate": f"{TLS}/tls.crt",
        "key": f"{TLS}/tls.key",
        "ca": f"{TLS}/ca.crt",
        "kafka's ca": f"{TLS}/ca.crt",
    }
    for key, value in wanted.items():
        if given[key] != value:
            yield f"{key} is {given[key]}, expected {value}"


def address(service: str) -> str:
    """Where a department's neighbours find all its pods: the headless Service's own name."""
    port = catalogue().find(service).port
    return f"dns:///{service}.city-{service}.svc.cluster.local:{port}"


def _mounted(world: World, pod: Pod, paths: dict[str, str]) -> Iterator[str]:
    container = pod.spec["containers"][0]
    volumes = {one["name"]: one for one in pod.spec.get("volumes", [])}
    mounts = {one["mountPath"]: one for one in container.get("volumeMounts", [])}
    for name, path in paths.items():
        if name == "registration_file":
            continue  # The image has it.
        inside = [folder for folder in mounts if path == folder or path.startswith(f"{folder}/")]
        if not inside:
            yield f"{name}: nothing is mounted at {path}"
            continue
        folder = max(inside, key=len)
        mount = mounts[folder]
        if mount.get("subPath"):
            yield f"{name}: what is mounted with subPath is never renewed"
        config = volumes[mount["name"]].get("configMap")
        if config:
            data = world.find("ConfigMap", config["name"], pod.namespace)["data"]
            if path.removeprefix(f"{folder}/") not in data:
                yield f"{name}: {path} is not in ConfigMap {config['name']}"
    for folder, mount in mounts.items():
        volume = volumes[mount["name"]]
        if ("secret" in volume or "configMap" in volume) and not mount.get("readOnly"):
            yield f"{folder} is not mounted read-only"


def _services(world: World, own: Registration) -> Iterator[str]:
    """Each Service of a department selects the pods that it is for, and no Service more."""
    name, space = own.service, f"city-{own.service}"
    wanted = {name: f"{name}-rpc", f"{name}-stream": f"{name}-stream"}
    if own.exposes:
        wanted[f"{name}-http"] = f"{name}-rpc"
    if any(policy.peers(client, [own]) for client in catalogue().clients):
        wanted[f"{name}-edge"] = f"{name}-rpc"
    found = {one["metadata"]["name"]: one for one in world.of("Service", space)}
    if found.keys() != wanted.keys():
        yield f"{space}: Services {', '.join(sorted(found))}"
    for service, target in wanted.items():
        if service in found:
            selected = _selected(world, found[service], space)
            if selected != [target]:
                yield f"{told(found[service])}: it selects {selected}, expected {target}"
    for service in (name, f"{name}-stream"):
        if service in found and found[service]["spec"].get("clusterIP") != "None":
            yield f"{told(found[service])}: it is not headless"


def _selected(world: World, service: Object, space: str) -> list[str]:
    selector = {"matchLabels": service["spec"]["selector"]}
    return [pod.name for pod in world.pods_of(space) if selects(selector, pod.labels)]


def priority_problems(world: World, services: Iterable[Registration]) -> list[str]:
    """Urgent is what the registrations call urgent, all of it and nothing more."""
    urgent = {f"city-{own.service}" for own in services if own.priority == "urgent"}
    found = []
    for pod in world.pods:
        is_urgent = pod.spec.get("priorityClassName") == PRIORITIES["urgent"]
        if is_urgent != (pod.namespace in urgent):
            found.append(f"{pod.path}: priority class {pod.spec.get('priorityClassName')}")
    values = {one["metadata"]["name"]: one["value"] for one in world.of("PriorityClass")}
    ordered = [values.get(one, 0) for one in PRIORITIES.values()]
    if min(ordered) <= 0 or sorted(set(ordered), reverse=True) != ordered:
        found.append(f"priority classes: {values}")
    found += [
        f"{told(one)}: it is everybody's"
        for one in world.of("PriorityClass")
        if one.get("globalDefault")
    ]
    return found
