"""Whether what objects name is there: secrets, volumes, ports, selectors, targets."""

from __future__ import annotations

import base64
import collections
import functools
from collections.abc import Iterable, Iterator, Mapping

from meshctl.catalogue import Catalogue
from meshctl.credentials import Credentials
from meshctl.render import secrets as render_secrets

from .manifests import Object, Pod, World, namespace, selects, told

# Namespaces of the operators that a cluster has before this is applied: docs/for-sres.md.
OPERATORS = {"strimzi", "cnpg-system", "cert-manager", "keda", "monitoring", "kube-system"}
_CERTIFICATE = {"tls.crt", "tls.key", "ca.crt"}
_DATABASE = {"uri", "username", "password", "host", "port", "dbname", "user", "pgpass", "jdbc-uri"}

Keys = Mapping[str, Iterable[str]]
KEY = base64.b64encode(bytes(32)).decode()


def secrets(world: World, within: str, outside: Mapping[str, Keys]) -> dict[str, set[str]]:
    """The Secrets of a namespace with their keys: of the build, of its operators, from outside."""
    found: dict[str, set[str]] = {name: set(keys) for name, keys in outside.get(within, {}).items()}
    for secret in world.of("Secret", within):
        found[secret["metadata"]["name"]] = {*secret.get("data", {}), *secret.get("stringData", {})}
    for certificate in world.of("Certificate", within):
        found[certificate["spec"]["secretName"]] = _CERTIFICATE
    for cluster in world.of("Cluster", within):
        name = cluster["metadata"]["name"]
        found |= {f"{name}-app": _DATABASE, f"{name}-ca": {"ca.crt"}}
    return found


@functools.cache
def outside(catalogue: Catalogue) -> dict[str, dict[str, dict[str, str]]]:
    """What `meshctl render --secrets` makes, by namespace and name, of stand-in passwords."""
    credentials = Credentials(
        kafka=collections.defaultdict(lambda: "password"),
        postgres={},
        cluster_id="",
        services={own.service: dict.fromkeys(own.secrets, KEY) for own in catalogue.services},
    )
    found: dict[str, dict[str, dict[str, str]]] = {}
    for secret in render_secrets.objects(catalogue, credentials):
        found.setdefault(namespace(secret), {})[secret["metadata"]["name"]] = secret["stringData"]
    return found


def problems(world: World, made_outside: Mapping[str, Keys]) -> list[str]:
    """Everything that is named and is not there."""
    return [
        *(one for pod in world.pods for one in _pod(world, pod, made_outside)),
        *(one for found in world.objects for one in _object(world, found, made_outside)),
        *service_problems(world),
        *selector_problems(world),
    ]


def _pod(world: World, pod: Pod, made_outside: Mapping[str, Keys]) -> Iterator[str]:
    within, spec, where = pod.namespace, pod.spec, told(pod.owner)
    there = {
        "Secret": secrets(world, within, made_outside),
        "ConfigMap": {
            found["metadata"]["name"]: {*found.get("data", {}), *found.get("binaryData", {})}
            for found in world.of("ConfigMap", within)
        },
    }
    for kind, name, keys in _uses(spec):
        if name not in there[kind]:
            yield f"{where}: {kind} {name} is not there"
        elif missing := keys - there[kind][name]:
            yield f"{where}: {kind} {name} has no {', '.join(sorted(missing))}"
    for volume in spec.get("volumes", []):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and not world.has("PersistentVolumeClaim", claim, within):
            yield f"{where}: PersistentVolumeClaim {claim} is not there"
    account = spec.get("serviceAccountName")
    if account and not world.has("ServiceAccount", account, within):
        yield f"{where}: ServiceAccount {account} is not there"
    priority = spec.get("priorityClassName")
    if priority and not world.has("PriorityClass", priority):
        yield f"{where}: PriorityClass {priority} is not there"
    claims = pod.owner["spec"].get("volumeClaimTemplates", [])
    volumes = {one["name"] for one in spec.get("volumes", [])}
    volumes |= {one["metadata"]["name"] for one in claims}
    mounts = {one["name"] for found in pod.containers for one in found.get("volumeMounts", [])}
    yield from (f"{where}: volume {one} is not there" for one in sorted(mounts - volumes))
    yield from (f"{where}: volume {one} is not used" for one in sorted(volumes - mounts))


def _uses(spec: Object) -> Iterator[tuple[str, str, set[str]]]:
    """What a pod needs to start: kind, name and the keys that must be in it."""
    kinds = (("Secret", "secret"), ("ConfigMap", "configMap"))
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for variable in container.get("env", []):
            for kind, key in kinds:
                found = variable.get("valueFrom", {}).get(f"{key}KeyRef")
                if found and not found.get("optional"):
                    yield kind, found["name"], {found["key"]}
        for source in container.get("envFrom", []):
            for kind, key in kinds:
                found = source.get(f"{key}Ref")
                if found and not found.get("optional"):
                    yield kind, found["name"], set()
    for volume in spec.get("volumes", []):
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            for kind, key in kinds:
                found = source.get(key)
                if found and not found.get("optional"):
                    keys = {item["key"] for item in found.get("items", [])}
                    yield kind, found.get("secretName", found.get("name")), keys


def _object(world: World, found: Object, made_outside: Mapping[str, Keys]) -> Iterator[str]:
    where, within, spec = told(found), namespace(found), found.get("spec", {})
    if within and within not in OPERATORS and not world.has("Namespace", within):
        yield f"{where}: Namespace {within} is not there"
    there = secrets(world, within, made_outside)
    match found["kind"]:
        case "StatefulSet":
            name = spec["serviceName"]
            if not any(
                one["metadata"]["name"] == name and one["spec"].get("clusterIP") == "None"
                for one in world.of("Service", within)
            ):
                yield f"{where}: headless Service {name} is not there"
        case "HorizontalPodAutoscaler" | "ScaledObject":
            target = spec["scaleTargetRef"]
            kind = target.get("kind", "Deployment")
            if not world.has(kind, target["name"], within):
                yield f"{where}: {kind} {target['name']} is not there"
            for trigger in spec.get("triggers", []):
                name = trigger.get("authenticationRef", {}).get("name")
                if name and not world.has("TriggerAuthentication", name, within):
                    yield f"{where}: TriggerAuthentication {name} is not there"
        case "TriggerAuthentication":
            for one in spec.get("secretTargetRef", []):
                if one["key"] not in there.get(one["name"], ()):
                    yield f"{where}: Secret {one['name']} with {one['key']} is not there"
        case "Certificate":
            issuer = spec["issuerRef"]
            kind = issuer.get("kind", "Issuer")
            if not world.has(kind, issuer["name"], "" if kind == "ClusterIssuer" else within):
                yield f"{where}: {kind} {issuer['name']} is not there"
        case "ClusterIssuer" if "ca" in spec:
            # cert-manager looks for what belongs to the cluster in its own namespace.
            if spec["ca"]["secretName"] not in secrets(world, "cert-manager", made_outside):
                yield f"{where}: Secret {spec['ca']['secretName']} is not there"
        case "KafkaUser":
            # Without one Strimzi makes it.
            if given := spec["authentication"].get("password"):
                password = given["valueFrom"]["secretKeyRef"]
                if password["key"] not in there.get(password["name"], ()):
                    yield f"{where}: Secret {password['name']} is not there"
        case "Kafka":
            for listener in spec["kafka"]["listeners"]:
                own = listener.get("configuration", {}).get("brokerCertChainAndKey")
                if own and not {own["certificate"], own["key"]} <= there.get(
                    own["secretName"], set()
                ):
                    yield f"{where}: Secret {own['secretName']} is not there"
        case "Ingress":
            for rule in spec.get("rules", []):
                for one in rule.get("http", {}).get("paths", []):
                    yield from _backend(world, found, one["backend"]["service"])
            for one in spec.get("tls", []):
                if one["secretName"] not in there:
                    yield f"{where}: Secret {one['secretName']} is not there"


def _backend(world: World, ingress: Object, backend: Object) -> Iterator[str]:
    for service in world.of("Service", namespace(ingress)):
        if service["metadata"]["name"] == backend["name"]:
            ports = service["spec"]["ports"]
            name, number = backend["port"].get("name"), backend["port"].get("number")
            if any(name == one.get("name") or number == one["port"] for one in ports):
                return
    yield f"{told(ingress)}: {backend['name']} has no such port"


def service_problems(world: World) -> list[str]:
    """Services that select nothing, or more than one workload, or a port that is not there."""
    found = []
    for service in world.of("Service"):
        selector = service["spec"].get("selector")
        if not selector:
            found.append(f"{told(service)}: no selector")
            continue
        pods = [
            pod
            for pod in world.pods_of(namespace(service))
            if selects({"matchLabels": selector}, pod.labels)
        ]
        if len(pods) != 1:
            names = ", ".join(pod.name for pod in pods)
            found.append(f"{told(service)}: it selects {names or 'nothing'}")
        for pod in pods:
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                there = {*pod.ports, *pod.ports.values()}
                if target not in there:
                    found.append(f"{told(service)}: {pod.path} has no port {target}")
                headless = service["spec"].get("clusterIP") == "None"
                if headless and port["port"] != pod.ports.get(target, target):
                    # Its callers connect to the pods themselves: nothing translates the number.
                    found.append(f"{told(service)}: port {port['port']} is not {target}'s")
    return found


def selector_problems(world: World) -> list[str]:
    """Workloads, budgets, monitors and spreads that select others than they should."""
    found = []
    for pod in world.pods:
        own = pod.owner["spec"].get("selector")
        if pod.lasts and (own is None or not selects(own, pod.labels)):
            found.append(f"{told(pod.owner)}: its selector is not its pods'")
        for spread in pod.spec.get("topologySpreadConstraints", []):
            if _selected(world, pod.namespace, spread.get("labelSelector")) != [pod.path]:
                found.append(f"{told(pod.owner)}: it is spread against others than its own")
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "PodDisruptionBudget"):
        for one in world.of(kind):
            pods = _selected(world, namespace(one), one["spec"].get("selector"))
            if len(pods) != 1:
                found.append(f"{told(one)}: it selects {', '.join(pods) or 'nothing'}")
    for monitor in world.of("PodMonitor"):
        spaces = monitor["spec"].get("namespaceSelector", {}).get("matchNames")
        spaces = spaces or [namespace(monitor)]
        pods_of = [pod for space in spaces for pod in world.pods_of(space)]
        seen = [pod for pod in pods_of if selects(monitor["spec"]["selector"], pod.labels)]
        if not seen and not _operators_pods(monitor):
            found.append(f"{told(monitor)}: it selects nothing")
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            for pod in seen:
                if endpoint.get("port") not in pod.ports:
                    found.append(f"{told(monitor)}: {pod.path} has no port {endpoint.get('port')}")
    return found


def _operators_pods(monitor: Object) -> bool:
    """Whether it looks at pods that an operator makes."""
    labels = monitor["spec"]["selector"].get("matchLabels", {})
    keys = {*labels}
    keys |= {one["key"] for one in monitor["spec"]["selector"].get("matchExpressions", [])}
    return any(key.partition("/")[0] in ("strimzi.io", "cnpg.io") for key in keys)


def _selected(world: World, within: str, selector: Object | None) -> list[str]:
    return [pod.path for pod in world.pods_of(within) if selects(selector, pod.labels)]
