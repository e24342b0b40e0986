"""Mistakes planted in the city, one at a time: the tests beside this one see each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from meshctl.catalogue import Catalogue

from . import availability, kafka, pods, references, restricted, schemas, settings, test_identities
from .manifests import Object, World, build, namespace
from .test_network import network_problems
from .test_schemas import needs_shared

Plant = Callable[[World], Any]


def template(world: World, kind: str, name: str) -> Any:
    return world.find(kind, name)["spec"]["template"]


def rpc(world: World) -> Any:
    """The pod that answers for cameras."""
    return template(world, "Deployment", "cameras-rpc")["spec"]


def stream(world: World) -> Any:
    return template(world, "StatefulSet", "cameras-stream")["spec"]


def container(spec: Any) -> Any:
    return spec["containers"][0]


def drop(world: World, kind: str, name: str, within: str | None = None) -> None:
    world.objects.remove(world.find(kind, name, within))


def spec_of(world: World, kind: str, name: str, within: str | None = None) -> Any:
    return world.find(kind, name, within)["spec"]


def login(world: World) -> Any:
    return world.find("TriggerAuthentication", "kafka", "city-cameras")


def quota(world: World) -> Any:
    return spec_of(world, "ResourceQuota", "tenant", "city-cameras")["hard"]


def identity(world: World, name: str = "cameras") -> Any:
    return spec_of(world, "Certificate", "identity", f"city-{name}")


def job(world: World) -> Any:
    return world.of("Job", "city-cameras")[0]["spec"]["template"]["spec"]


def variable(spec: Any, name: str) -> Any:
    return next(one for one in container(spec)["env"] if one["name"] == name)


def topic(world: World, name: str = "cameras.alarm-raised.v1") -> Any:
    return next(one for one in world.of("KafkaTopic") if kafka.topic_name(one) == name)


def rules(world: World, user: str = "cameras") -> Any:
    return spec_of(world, "KafkaUser", user)["authorization"]["acls"]


def without_default_deny(world: World, within: str) -> None:
    for found in world.of("NetworkPolicy", within):
        spec = found["spec"]
        if not spec["podSelector"] and not spec.get("ingress") and not spec.get("egress"):
            world.objects.remove(found)


def opened(within: str, direction: str, **rule: Any) -> Object:
    """A policy too much."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "too-much", "namespace": within},
        "spec": {"podSelector": {}, "policyTypes": [direction.capitalize()], direction: [rule]},
    }


KAFKA: dict[str, Plant] = {
    "a topic is missing": lambda world: world.objects.remove(topic(world)),
    "a topic too much": lambda world: topic(world)["spec"].update(topicName="cameras.other.v1"),
    "a partition more": lambda world: topic(world)["spec"].update(partitions=4),
    "one replica": lambda world: topic(world)["spec"].update(replicas=1),
    "kept for another time": lambda world: topic(world)["spec"]["config"].update(
        {"retention.ms": "1"}
    ),
    "not compacted": lambda world: topic(world, "health.measurement-taken.v1")["spec"][
        "config"
    ].update({"cleanup.policy": "delete"}),
    "one replica is enough": lambda world: topic(world)["spec"]["config"].update(
        {"min.insync.replicas": "1"}
    ),
    "a setting too much": lambda world: topic(world)["spec"]["config"].update(
        {"max.message.bytes": "1"}
    ),
    "of no cluster": lambda world: topic(world)["metadata"]["labels"].pop("strimzi.io/cluster"),
    "a rule is missing": lambda world: rules(world).pop(),
    "a rule too much": lambda world: rules(world).append(
        {
            "resource": {"type": "topic", "name": "parking.booking-changed.v1"},
            "operations": ["Read"],
        }
    ),
    "an operation too much": lambda world: rules(world)[0]["operations"].append("Delete"),
    "a pattern too wide": lambda world: rules(world)[0]["resource"].update(patternType="prefix"),
    "a rule for the cluster": lambda world: rules(world).append(
        {"resource": {"type": "cluster"}, "operations": ["Alter"]}
    ),
    "a rule that denies": lambda world: rules(world)[0].update(type="deny"),
    "a user is missing": lambda world: drop(world, "KafkaUser", "cameras"),
    "the password of another": lambda world: spec_of(world, "KafkaUser", "cameras")[
        "authentication"
    ]["password"]["valueFrom"]["secretKeyRef"].update(name="parking-password"),
    "no quota": lambda world: spec_of(world, "KafkaUser", "cameras").pop("quotas"),
}


@pytest.mark.parametrize("fault", KAFKA)
def test_faults_of_topics_and_users(fault: str, catalogue: Catalogue) -> None:
    world = build("overlays/city").copy()
    KAFKA[fault](world)
    assert (
        kafka.topic_problems(world, catalogue)
        + kafka.rule_problems(world, catalogue)
        + kafka.user_problems(world, catalogue)
    )


NETWORK: dict[str, Plant] = {
    "no default-deny": lambda world: without_default_deny(world, "city-parking"),
    "departments may reach all": lambda world: world.objects.append(
        opened("city-parking", "egress", to=[{"namespaceSelector": {}}])
    ),
    "anybody may reach a department": lambda world: world.objects.append(
        opened("city-parking", "ingress")
    ),
    "the world may be reached": lambda world: world.objects.append(
        opened("city-parking", "egress", to=[{"ipBlock": {"cidr": "0.0.0.0/0"}}])
    ),
    "the label of another part": lambda world: template(world, "Deployment", "parking-rpc")[
        "metadata"
    ]["labels"].update({"app.kubernetes.io/component": "stream"}),
    "another port": lambda world: container(rpc(world))["ports"][0].update(containerPort=50099),
    "a tenant that is none": lambda world: world.find("Namespace", "city-emergency")["metadata"][
        "labels"
    ].pop("citymesh.io/tenant"),
    "Kafka for everybody": lambda world: spec_of(world, "Kafka", "city")["kafka"]["listeners"][
        0
    ].pop("networkPolicyPeers"),
}


@pytest.mark.parametrize("fault", NETWORK)
def test_faults_of_the_network(fault: str, catalogue: Catalogue) -> None:
    world = build("overlays/city").copy()
    NETWORK[fault](world)
    assert network_problems(world, catalogue, "city")


def test_each_policy_of_the_network_is_needed(catalogue: Catalogue) -> None:
    """Without any one of them, something that is declared is refused, or more is let through."""
    whole = build("overlays/city")
    for index, found in enumerate(whole.objects):
        if found["kind"] == "NetworkPolicy":
            less = World([one for at, one in enumerate(whole.objects) if at != index])
            seen = network_problems(less, catalogue, "city", whole, namespace(found))
            assert seen, found["metadata"]


REFERENCES: dict[str, Plant] = {
    "a ConfigMap is missing": lambda world: drop(world, "ConfigMap", "policy", "city-cameras"),
    "a Certificate is missing": lambda world: drop(
        world, "Certificate", "identity", "city-cameras"
    ),
    "a database is missing": lambda world: drop(world, "Cluster", "postgres", "city-cameras"),
    "an account is missing": lambda world: drop(world, "ServiceAccount", "cameras"),
    "a volume is missing": lambda world: stream(world)["volumes"].pop(),
    "a claim is missing": lambda world: world.objects.remove(
        world.of("PersistentVolumeClaim", "city-health")[0]
    ),
    "a priority class is missing": lambda world: drop(world, "PriorityClass", "citymesh-urgent"),
    "an issuer is missing": lambda world: drop(world, "ClusterIssuer", "citymesh-ca"),
    "a namespace is missing": lambda world: drop(world, "Namespace", "city-cameras"),
    "a login is missing": lambda world: drop(
        world, "TriggerAuthentication", "kafka", "city-cameras"
    ),
    "a headless Service is missing": lambda world: drop(world, "Service", "cameras-stream"),
    "another Secret": lambda world: stream(world)["volumes"].append(
        {"name": "more", "secret": {"secretName": "more"}}
    ),
    "another key": lambda world: login(world)["spec"]["secretTargetRef"][0].update(key="other"),
    "a Service of both parts": lambda world: spec_of(world, "Service", "cameras")["selector"].pop(
        "app.kubernetes.io/component"
    ),
    "a Service of nobody": lambda world: spec_of(world, "Service", "cameras")["selector"].update(
        {"app.kubernetes.io/component": "web"}
    ),
    "a port of nobody": lambda world: spec_of(world, "Service", "cameras")["ports"][0].update(
        targetPort="other"
    ),
    "a budget of both parts": lambda world: spec_of(world, "PodDisruptionBudget", "cameras-rpc")[
        "selector"
    ]["matchLabels"].pop("app.kubernetes.io/component"),
    "a monitor of nobody": lambda world: spec_of(world, "PodMonitor", "cameras")["selector"][
        "matchLabels"
    ].update({"app.kubernetes.io/name": "camera"}),
    "a monitor of no port": lambda world: spec_of(world, "PodMonitor", "cameras")[
        "podMetricsEndpoints"
    ][0].update(port="metrics"),
    "a spread against others": lambda world: rpc(world)["topologySpreadConstraints"][0][
        "labelSelector"
    ]["matchLabels"].clear(),
    "scaling of nobody": lambda world: spec_of(world, "ScaledObject", "cameras-stream")[
        "scaleTargetRef"
    ].pop("kind"),
}


@pytest.mark.parametrize("fault", REFERENCES)
def test_faults_of_names(fault: str, catalogue: Catalogue) -> None:
    world = build("overlays/city").copy()
    REFERENCES[fault](world)
    assert references.problems(world, references.outside(catalogue))


PODS: dict[str, Plant] = {
    "a new member after each restart": lambda world: variable(stream(world), "CAMERAS_INSTANCE")[
        "valueFrom"
    ]["fieldRef"].update(fieldPath="metadata.uid"),
    "another role": lambda world: variable(stream(world), "CAMERAS_ROLE").update(value="rpc"),
    "no such role": lambda world: variable(stream(world), "CAMERAS_ROLE").update(value="streams"),
    "a variable that nobody reads": lambda world: variable(
        stream(world), "CAMERAS_REGISTRY__URL"
    ).update(name="CAMERAS_REGISTRY_URL"),
    "another's user": lambda world: variable(stream(world), "CAMERAS_KAFKA__USERNAME").update(
        value="parking", valueFrom={}
    ),
    "another registry": lambda world: variable(stream(world), "CAMERAS_REGISTRY__URL").update(
        value="http://localhost:8081"
    ),
    "no certificate": lambda world: container(stream(world))["volumeMounts"].pop(
        next(
            index
            for index, one in enumerate(container(stream(world))["volumeMounts"])
            if one["mountPath"] == pods.TLS
        )
    ),
    "liveness by readiness": lambda world: container(rpc(world))["livenessProbe"]["grpc"].update(
        service="readiness"
    ),
    "no readiness": lambda world: container(rpc(world)).pop("readinessProbe"),
    "no time to start": lambda world: container(rpc(world)).pop("startupProbe"),
    "no pause before the end": lambda world: container(rpc(world)).pop("lifecycle"),
    "no time to end": lambda world: rpc(world).update(terminationGracePeriodSeconds=10),
    "another's priority": lambda world: rpc(world).update(priorityClassName="citymesh-urgent"),
    "another image": lambda world: container(rpc(world)).update(image="citymesh/cameras:9.9.9"),
    "a Service that is not headless": lambda world: spec_of(world, "Service", "cameras").pop(
        "clusterIP"
    ),
    "a Service too much": lambda world: world.objects.append(
        {**world.find("Service", "cameras"), "metadata": {"name": "x", "namespace": "city-cameras"}}
    ),
}


@pytest.mark.parametrize("fault", PODS)
def test_faults_of_pods(fault: str, catalogue: Catalogue) -> None:
    world = build("overlays/city").copy()
    PODS[fault](world)
    services = catalogue.services
    assert (
        pods.problems(world, services)
        + pods.priority_problems(world, services)
        + [
            problem
            for own in services
            for pod in pods.of_service(world, own).values()
            for problem in settings.problems(world, pod, own)
        ]
    )


AVAILABILITY: dict[str, Plant] = {
    "nothing can be evicted": lambda world: spec_of(
        world, "PodDisruptionBudget", "cameras-rpc"
    ).update(maxUnavailable=0),
    "all can be evicted": lambda world: spec_of(world, "PodDisruptionBudget", "cameras-rpc").update(
        maxUnavailable="100%"
    ),
    "no budget": lambda world: drop(world, "PodDisruptionBudget", "cameras-stream"),
    "one pod": lambda world: spec_of(world, "HorizontalPodAutoscaler", "cameras-rpc").update(
        minReplicas=1
    ),
    "scaled to nothing": lambda world: spec_of(world, "ScaledObject", "cameras-stream").update(
        minReplicaCount=0
    ),
    "more pods than partitions": lambda world: spec_of(
        world, "ScaledObject", "cameras-stream"
    ).update(maxReplicaCount=7),
    "fewer pods than partitions": lambda world: spec_of(
        world, "ScaledObject", "cameras-stream"
    ).update(maxReplicaCount=5),
    "a topic whose lag nobody sees": lambda world: spec_of(world, "ScaledObject", "cameras-stream")[
        "triggers"
    ].pop(),
    "the lag of another group": lambda world: spec_of(world, "ScaledObject", "cameras-stream")[
        "triggers"
    ][0]["metadata"].update(consumerGroup="parking"),
    "each apply undoes the scaling": lambda world: spec_of(
        world, "Deployment", "cameras-rpc"
    ).update(replicas=2),
    "scaled by two": lambda world: world.objects.append(
        {
            **world.find("HorizontalPodAutoscaler", "cameras-rpc"),
            "spec": {
                "maxReplicas": 2,
                "scaleTargetRef": {"kind": "StatefulSet", "name": "cameras-stream"},
            },
        }
    ),
    "not spread over zones": lambda world: rpc(world)["topologySpreadConstraints"].pop(),
    "a quota that is too small": lambda world: quota(world).update(pods="3"),
    "a quota of memory that is too small": lambda world: quota(world).update(
        {"requests.memory": "1Gi"}
    ),
}


@pytest.mark.parametrize("fault", AVAILABILITY)
def test_faults_of_scaling(fault: str, catalogue: Catalogue) -> None:
    world = build("overlays/city").copy()
    AVAILABILITY[fault](world)
    assert (
        availability.budget_problems(world, single=False)
        + availability.scaling_problems(world, catalogue, single=False)
        + availability.spread_problems(world)
        + availability.quota_problems(world)
    )


Check = Callable[[World, Catalogue], None]
IDENTITIES: dict[str, tuple[Check, Plant]] = {
    "the certificate of another": (
        test_identities.test_every_principal_has_a_certificate_of_its_own,
        lambda world: identity(world).update(uris=["spiffe://citymesh/parking"]),
    ),
    "two names": (
        test_identities.test_every_principal_has_a_certificate_of_its_own,
        lambda world: identity(world)["uris"].append("spiffe://citymesh/admin"),
    ),
    "the address of another": (
        test_identities.test_every_principal_has_a_certificate_of_its_own,
        lambda world: identity(world)["dnsNames"].append("parking"),
    ),
    "a CA": (
        test_identities.test_every_principal_has_a_certificate_of_its_own,
        lambda world: identity(world).update(isCA=True),
    ),
    "a client without a certificate": (
        test_identities.test_every_principal_has_a_certificate_of_its_own,
        lambda world: drop(world, "Certificate", "operator-identity"),
    ),
    "a signing key that is thrown away": (
        test_identities.test_a_key_that_signs_for_long_is_kept_when_its_certificate_is_renewed,
        lambda world: identity(world, "health")["privateKey"].update(rotationPolicy="Always"),
    ),
    "a caller too much": (
        test_identities.test_each_department_lets_in_exactly_its_declared_callers,
        lambda world: world.find("ConfigMap", "policy", "city-cameras")["data"].update(
            {"policy.json": "{}"}
        ),
    ),
    "a neighbour at another port": (
        test_identities.test_neighbours_are_found_by_a_service_of_that_port,
        lambda world: spec_of(world, "Service", "cameras")["ports"][0].update(port=443),
    ),
    "schemas that nobody registers": (
        test_identities.test_what_a_department_produces_is_registered_before_it_is_asked_for,
        lambda world: world.objects.remove(world.of("Job", "city-cameras")[0]),
    ),
    "a schema that is left out": (
        test_identities.test_what_a_department_produces_is_registered_before_it_is_asked_for,
        lambda world: world.find(
            "ConfigMap",
            next(one["configMap"]["name"] for one in job(world)["volumes"] if "configMap" in one),
        )["data"].pop("alarm_raised.v1.avsc"),
    ),
}


@pytest.mark.parametrize("fault", IDENTITIES)
def test_faults_of_identities(fault: str, catalogue: Catalogue) -> None:
    world = build("overlays/city").copy()
    check, plant = IDENTITIES[fault]
    check(world, catalogue)
    plant(world)
    with pytest.raises(AssertionError):
        check(world, catalogue)


def test_faults_of_security() -> None:
    world = build("overlays/city").copy()
    for pod in world.pods:
        for found in pod.containers:
            context = found["securityContext"]
            for key in list(context):
                kept = context.pop(key)
                assert restricted.problems(pod.spec) + restricted.hardening_problems(pod.spec), key
                context[key] = kept
        assert restricted.problems(pod.spec) == []


@needs_shared
def test_what_is_planted_is_a_fault_and_no_typo() -> None:
    """Each fault stands in an object that its schema takes: another test than this sees it."""
    whole = build("overlays/city")
    for faults in (KAFKA, NETWORK, REFERENCES, AVAILABILITY):
        for fault, plant in faults.items():
            world = build("overlays/city").copy()
            plant(world)
            new = [found for found in world.objects if found not in whole.objects]
            refused = [one for found in new for one in schemas.problems(found)]
            assert len(refused) <= 1, (fault, refused)
