"""Every fact of a registration is in what is rendered of it, and there is not one fact more."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from city_backbone.registration import Registration
from hypothesis import HealthCheck, given, settings
from meshctl.apply import acls, topics
from meshctl.apply.acls import Acl
from meshctl.catalogue import load
from meshctl.render import sources as rendering_sources
from meshctl.render.topics import resource_name
from meshctl.settings import load as load_settings

from meshctl import policy, render

from .cities import City, Object, cities, city, partitions, produces, registration

OPERATIONS = {"Read": "READ", "Write": "WRITE", "Create": "CREATE", "Describe": "DESCRIBE"}
PATTERNS = {"literal": "LITERAL", "prefix": "PREFIXED"}

any_city = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def seoul() -> City:
    """The city of this checkout."""
    root = load_settings()
    known = load(root)
    found = rendering_sources.read(root.root, known)
    return City(known, [*render.objects(known, found)])


def rules(found: City) -> Iterator[Acl]:
    for user in found.of("KafkaUser", "citymesh-kafka"):
        for rule in user["spec"]["authorization"]["acls"]:
            resource = rule["resource"]
            for operation in rule["operations"]:
                yield Acl(
                    user["metadata"]["name"],
                    resource["type"].upper(),
                    PATTERNS[resource["patternType"]],  # type: ignore[arg-type]
                    resource["name"],
                    OPERATIONS[operation],  # type: ignore[arg-type]
                )


def check_rules(found: City) -> None:
    given_rules = [*rules(found)]
    assert len(given_rules) == len(set(given_rules))
    assert set(given_rules) == acls.declared(found.catalogue)
    everyone = [*found.catalogue]
    topics_of = {one.topic: own.service for own in everyone for one in own.produces}
    writers = {(r.name, r.principal) for r in given_rules if r.operation == "WRITE"}
    readers = {(r.name, r.principal) for r in given_rules if r.operation == "READ"}
    assert {one for one in writers if one[0] in topics_of} == set(topics_of.items())
    assert {one for one in readers if one[0] in topics_of} == {
        (consumed.topic, own.service)
        for own in everyone
        for consumed in own.consumes
        if consumed.topic in topics_of
    }


@any_city
@given(cities())
def test_rights_in_kafka_are_those_declared(found: City) -> None:
    check_rules(found)


def test_rights_in_kafka_are_those_of_meshctl_up(seoul: City) -> None:
    check_rules(seoul)
    assert len([*rules(seoul)]) > 100


def test_a_user_has_its_own_password_and_its_quotas() -> None:
    limits = {"producer_byte_rate": 10, "request_percentage": 12.5}
    found = city(registration("air", http_port=5000, quotas=limits), registration("desk"))
    air, desk = found.of("KafkaUser")
    assert air["spec"]["quotas"] == {"producerByteRate": 10, "requestPercentage": 13}
    assert "quotas" not in desk["spec"]
    for user, name in ((air, "air"), (desk, "desk")):
        password = {"secretKeyRef": {"name": f"{name}-password", "key": "password"}}
        assert user["spec"]["authentication"] == {
            "type": "scram-sha-512",
            "password": {"valueFrom": password},
        }


@any_city
@given(cities())
def test_each_topic_is_there_once_as_declared(found: City) -> None:
    declared = topics.declared(found.catalogue)
    rendered = found.of("KafkaTopic", "citymesh-kafka")
    by_name = {one["spec"].get("topicName", one["metadata"]["name"]): one for one in rendered}
    assert by_name.keys() == declared.keys()
    assert len(by_name) == len(rendered)
    for name, spec in declared.items():
        assert by_name[name]["spec"] == {
            "partitions": spec.partitions,
            "replicas": 3,
            "config": {**spec.configuration, "min.insync.replicas": "2"},
        }


@pytest.mark.parametrize("name", ["air.seen.v1", "air.seen.v1.bus.dlt"])
def test_a_topic_is_named_as_it_is(name: str) -> None:
    assert resource_name(name) == name


@pytest.mark.parametrize("name", ["air.seen-.v1", "air.a--.v1.bus.dlt", f"air.{'a-' * 150}b.v1"])
def test_a_topic_that_kubernetes_cannot_name_has_a_name_of_its_own(name: str) -> None:
    changed = resource_name(name)
    assert changed != name
    assert resource_name(changed) == changed
    assert changed != resource_name(f"{name}-")


def test_a_topic_with_another_name_says_what_it_is_called() -> None:
    (topic,) = city(registration("air", produces=(produces("air.seen-.v1"),))).of("KafkaTopic")
    assert topic["spec"]["topicName"] == "air.seen-.v1"


def test_dead_letters_of_an_unknown_topic_leave_their_partitions_to_the_broker() -> None:
    (topic,) = city(registration("air", http_port=5000, consumes=({"topic": "sea.seen.v1"},))).of(
        "KafkaTopic"
    )
    assert topic["metadata"]["name"] == "sea.seen.v1.air.dlt"
    assert "partitions" not in topic["spec"]


def calls_of(found: City) -> set[tuple[str, str, int]]:
    """Who calls whom at which port, by the registrations alone."""
    served = {one: own for own in found.catalogue.services for one in own.serves}
    return {
        (caller.service, callee.service, callee.port or 0)
        for caller in found.catalogue.services
        for call in caller.calls
        for callee in [served[call.partition("/")[0]]]
        if callee is not caller
    }


def peers_of(found: City, name: str, direction: str, word: str) -> set[tuple[str, str, int]]:
    """(own namespace, peer's namespace, port) of the policies of this name."""
    return {
        (
            policy["metadata"]["namespace"].removeprefix("city-"),
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"].removeprefix(
                "city-"
            ),
            port["port"],
        )
        for policy in found.of("NetworkPolicy")
        if policy["metadata"]["name"] == name
        for rule in policy["spec"][direction]
        for peer in rule[word]
        for port in rule["ports"]
    }


def check_network(found: City) -> None:
    wanted = calls_of(found)
    assert peers_of(found, "calls", "egress", "to") == wanted
    taken = peers_of(found, "grpc", "ingress", "from")
    assert {(caller, callee, port) for callee, caller, port in taken} == wanted
    for service in found.catalogue.services:
        mine = found.of("NetworkPolicy", f"city-{service.service}")
        names = {one["metadata"]["name"] for one in mine}
        optional = {
            "calls": bool({callee for caller, callee, _ in wanted if caller == service.service}),
            "grpc": bool({caller for caller, callee, _ in wanted if callee == service.service}),
            "schemas": bool(service.produces),
            "edge-http": bool(service.exposes),
            "edge-grpc": any(policy.peers(one, [service]) for one in found.catalogue.clients),
        }
        assert names == {
            *("default-deny", "dns", "egress", "scrape", "postgres", "api-server"),
            *(name for name, there in optional.items() if there),
            *(f"reach-{place}" for place in service.reaches),
        }


@any_city
@given(cities())
def test_the_network_is_the_declared_calls(found: City) -> None:
    check_network(found)


def test_the_network_of_this_city_is_its_calls(seoul: City) -> None:
    check_network(seoul)
    assert ("emergency", "cameras", 50061) in calls_of(seoul)


@any_city
@given(cities())
def test_policies_open_what_is_named_alone(found: City) -> None:
    """An empty list of peers or ports would be everybody and everything."""
    for one in found.of("NetworkPolicy"):
        spec = one["spec"]
        if one["metadata"]["name"] == "default-deny":
            assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
            continue
        assert spec["podSelector"]["matchLabels"]
        assert {kind.lower() for kind in spec["policyTypes"]} == spec.keys() - {
            *("podSelector", "policyTypes")
        }
        for direction, word in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(direction, []):
                assert rule[word]
                assert all(rule[word])
                assert all("port" in port for port in rule["ports"])
                assert rule["ports"]


def workloads(found: City, service: Registration) -> dict[str, Object]:
    space = f"city-{service.service}"
    return {
        one["metadata"]["name"]: one
        for kind in ("Deployment", "StatefulSet")
        for one in found.of(kind, space)
    }


@any_city
@given(cities())
def test_pods_are_scaled_within_their_partitions_and_can_be_evicted(found: City) -> None:
    counts = partitions(found)
    for service in found.catalogue.services:
        space, name = f"city-{service.service}", service.service
        there = workloads(found, service)
        is_called = bool(service.serves or service.exposes)
        assert there.keys() == {f"{name}-stream", *([f"{name}-rpc"] if is_called else [])}
        budgets = {
            one["metadata"]["name"]: one["spec"] for one in found.of("PodDisruptionBudget", space)
        }
        assert budgets.keys() == there.keys()
        for key, one in there.items():
            assert budgets[key]["maxUnavailable"] == 1
            assert budgets[key]["selector"] == one["spec"]["selector"]
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
        scaled = {
            one["spec"]["scaleTargetRef"]["name"]: one["spec"]
            for kind in ("ScaledObject", "HorizontalPodAutoscaler")
            for one in found.of(kind, space)
        }
        assert {key for key, one in there.items() if "replicas" not in one["spec"]} == scaled.keys()
        if not service.consumes:
            assert there[f"{name}-stream"]["spec"]["replicas"] == 2
            continue
        by_lag = scaled[f"{name}-stream"]
        most = max(counts[one.topic] for one in service.consumes)
        assert by_lag["maxReplicaCount"] == most
        assert by_lag["minReplicaCount"] == min(2, most)
        assert [one["metadata"]["topic"] for one in by_lag["triggers"]] == [
            one.topic for one in service.consumes
        ]
        assert {one["metadata"]["consumerGroup"] for one in by_lag["triggers"]} == {service.group}


@any_city
@given(cities())
def test_everything_has_one_place(found: City) -> None:
    seen = [
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
        for one in found.objects
    ]
    assert len(seen) == len(set(seen))
    for kind, namespace, _ in seen:
        assert (namespace is None) == (kind == "Namespace")


def container(workload: Object) -> Object:
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


def variables(workload: Object) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container(workload)["env"]}


@any_city
@given(cities())
def test_pods_know_what_their_registration_says(found: City) -> None:
    for service in found.catalogue.services:
        prefix = service.service.upper()
        peers = {
            callee: f"dns:///{callee}.city-{callee}.svc.cluster.local:{port}"
            for caller, callee, port in calls_of(found)
            if caller == service.service
        }
        (config,) = [
            one
            for one in found.of("ConfigMap", f"city-{service.service}")
            if one["metadata"]["name"] == "policy"
        ]
        calls = json.loads(config["data"]["policy.json"])
        assert calls == policy.for_service(service, found.catalogue)
        claims = {
            one["metadata"]["name"]
            for one in found.of("PersistentVolumeClaim", f"city-{service.service}")
        }
        assert len(claims) == len(service.folders)
        for name, workload in workloads(found, service).items():
            values, spec = variables(workload), workload["spec"]["template"]["spec"]
            assert container(workload)["image"] == f"citymesh/{service.service}:1.2.3"
            assert spec["priorityClassName"] == f"citymesh-{service.priority}"
            assert f"{service.service}-{values[f'{prefix}_ROLE']}" == name
            assert json.loads(values[f"{prefix}_PEERS"]) == peers
            mounted = {one["mountPath"] for one in container(workload)["volumeMounts"]}
            assert {values[f"{prefix}_{setting}"] for setting in service.folders} <= mounted
            assert claims == {
                one["persistentVolumeClaim"]["claimName"]
                for one in spec["volumes"]
                if "persistentVolumeClaim" in one
            }
            secrets = [one["secretRef"]["name"] for one in container(workload)["envFrom"]]
            assert ("settings" in secrets) == bool(service.secrets)


def test_pods_start_anew_when_who_may_call_them_changes() -> None:
    def template(*methods: str) -> Object:
        calls = tuple(f"city.bus.v1.BusService/{method}" for method in methods)
        found = city(
            registration("bus", port=5000, http_port=5001, serves=("city.bus.v1.BusService",)),
            registration("air", http_port=5002, calls=calls),
        )
        (bus,) = found.of("Deployment", "city-bus")
        return dict(bus["spec"]["template"])

    assert template("GetOne") == template("GetOne")
    assert template("GetOne") != template("GetOne", "PutOne")


@any_city
@given(cities())
def test_what_is_exposed_is_what_callers_outside_reach(found: City) -> None:
    for service in found.catalogue.services:
        space = f"city-{service.service}"
        paths = [
            path["path"]
            for one in found.of("Ingress", space)
            for rule in one["spec"]["rules"]
            for path in rule["http"]["paths"]
        ]
        assert paths == [*service.exposes]
        called = any(policy.peers(one, [service]) for one in found.catalogue.clients)
        balancers = [
            one["spec"]["ports"][0]["port"]
            for one in found.of("Service", space)
            if one["spec"].get("type") == "LoadBalancer"
        ]
        assert balancers == ([service.port] if called else [])
        quota = next(
            one for one in found.of("ResourceQuota", space) if one["metadata"]["name"] == "tenant"
        )
        assert quota["spec"]["hard"]["services.loadbalancers"] == str(len(balancers))


def test_a_place_outside_is_a_policy_that_the_overlay_fills_in() -> None:
    found = city(registration("air", http_port=5000, reaches=("rooms",)))
    (reach,) = [
        one for one in found.of("NetworkPolicy") if one["metadata"]["name"] == "reach-rooms"
    ]
    (rule,) = reach["spec"]["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]


def test_only_urgent_departments_may_claim_to_be() -> None:
    found = city(
        registration("air", http_port=5000), registration("fire", http_port=5001, priority="urgent")
    )

    def quotas(service: str, value: str) -> list[str]:
        return [
            one["metadata"]["name"]
            for one in found.of("ResourceQuota", f"city-{service}")
            for scope in one["spec"].get("scopeSelector", {}).get("matchExpressions", [])
            if value in scope["values"]
        ]

    assert quotas("air", "citymesh-urgent") == ["forbidden"]
    assert quotas("fire", "citymesh-urgent") == ["urgent"]
    for name in ("air", "fire"):
        assert quotas(name, "system-node-critical") == ["forbidden"]


def test_a_changed_schema_is_another_job() -> None:
    own = registration("air", http_port=5000, produces=(produces("air.seen.v1"),))

    def names(schema: str) -> tuple[str, str]:
        files = {"service.yaml": "service: air\n", "events/seen.v1.avsc": schema}
        config, job, _ = render.schemas.objects(own, files, "1")
        mounted = job["spec"]["template"]["spec"]["volumes"][0]["configMap"]
        assert mounted["name"] == config["metadata"]["name"]
        assert {one["path"]: config["data"][one["key"]] for one in mounted["items"]} == files
        return config["metadata"]["name"], job["metadata"]["name"]

    first, second = names('{"a": 1}'), names('{"a": 2}')
    assert first == names('{"a": 1}')
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_an_identity_is_its_department_and_its_clients_are_their_own() -> None:
    found = city(registration("air", http_port=5000), registration("desk"))
    identities = {
        one["metadata"]["namespace"]: (one["spec"]["uris"], one["spec"]["dnsNames"])
        for one in found.of("Certificate")
    }
    inside = ["air", "air.city-air.svc", "air.city-air.svc.cluster.local"]
    assert identities == {
        "city-air": (["spiffe://citymesh/air"], inside),
        "city-clients": (["spiffe://citymesh/desk"], ["desk"]),
    }
