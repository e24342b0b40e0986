"""The load test beside the city: it has what it needs, and opens nothing that is not said here."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from city_backbone.registration import Registration
from city_backbone.settings import KafkaSettings
from meshctl.apply.acls import Acl
from meshctl.catalogue import Catalogue

from loadtests.checker import reading
from loadtests.checker.tables import DEPARTMENTS
from loadtests.driver import shard
from loadtests.options import parse
from loadtests.scenarios import scenario as scenarios
from loadtests.scenarios.cluster import ClusterSettings, most_seconds, refusals
from loadtests.scenarios.conduct import planned
from meshctl import policy

from . import kafka, pods, references, restricted, schemas, surroundings
from .manifests import Object, Pod, World, build, namespace
from .network import Edge
from .test_network import NAMES, network_problems
from .test_schemas import needs_shared

SPACE = "city-loadtests"
REDUCER, SHARDS = f"{SPACE}/reducer", f"{SPACE}/shards"
PORT = 7000
# What an SRE writes into Secret `access`: docs/for-sres.md.
ACCESS = {
    "OPERATOR_KAFKA__PASSWORD": "password",
    "HEALTH_KAFKA__PASSWORD": "password",
    **{f"{one.upper()}_DATABASE__DSN": "postgresql://there" for one in DEPARTMENTS},
}
Plant = Callable[[World], Any]


@pytest.fixture(scope="module")
def load() -> World:
    return build("overlays/load")


@pytest.fixture(scope="module")
def whole(load: World) -> World:
    return beside(load)


def beside(load: World) -> World:
    """The city with the load test applied beside it."""
    return World([*build("overlays/city").objects, *load.objects])


def pod(load: World, name: str) -> Pod:
    return next(one for one in load.pods if one.name == name)


def container(load: World, name: str) -> Any:
    return pod(load, name).spec["containers"][0]


def places(load: World) -> dict[str, str]:
    """Where the city is, as all pods are told."""
    data: dict[str, str] = load.find("ConfigMap", "places", SPACE)["data"]
    return data


def environment(load: World, name: str) -> dict[str, str]:
    """What the pod's process finds, by its sources."""
    found: dict[str, str] = {}
    for source in container(load, name)["envFrom"]:
        if "configMapRef" in source:
            found |= load.find("ConfigMap", source["configMapRef"]["name"], SPACE)["data"]
        if source.get("secretRef", {}).get("name") == "access":
            found |= ACCESS
    return found


@needs_shared
@pytest.mark.parametrize("kubernetes", [schemas.OLDEST, schemas.KUBERNETES])
def test_its_objects_are_valid(load: World, kubernetes: str) -> None:
    assert [one for found in load.objects for one in schemas.problems(found, kubernetes)] == []


def test_it_changes_nothing_of_the_citys(load: World) -> None:
    """Its objects are its own, and the city knows nothing of it while it is not applied."""

    def key(found: Object) -> tuple[str, ...]:
        return found["kind"], namespace(found), found["metadata"]["name"]

    city = build("overlays/city").objects
    assert not {key(one) for one in load.objects} & {key(one) for one in city}
    assert not [one for one in city if SPACE in json.dumps(one)]
    elsewhere = {one["kind"] for one in load.objects if namespace(one) not in ("", SPACE)}
    assert elsewhere == {"NetworkPolicy", "KafkaUser"}


def test_pods_are_restricted(load: World) -> None:
    for one in load.pods:
        assert restricted.problems(one.spec) == [], one.path
        assert restricted.hardening_problems(one.spec) == [], one.path
    labels = load.namespace_labels(SPACE)
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def reference_problems(load: World, catalogue: Catalogue) -> list[str]:
    outside = {**references.outside(catalogue), SPACE: {"access": ACCESS}}
    return references.problems(beside(load), outside)


def test_whatever_is_named_is_there(load: World, catalogue: Catalogue) -> None:
    assert reference_problems(load, catalogue) == []


def edge_problems(load: World, catalogue: Catalogue, within: str | None = None) -> list[str]:
    whole = beside(load)
    return network_problems(whole, catalogue, "city", whole, within, tuple(edges(catalogue)))


def edges(catalogue: Catalogue) -> Iterator[Edge]:
    """What the load test opens: calls of all, the rest to the reducer alone."""
    yield Edge(SHARDS, REDUCER, PORT)
    yield Edge(REDUCER, "kafka", 9093)
    yield Edge(REDUCER, NAMES["registry"], 8080)
    yield Edge(REDUCER, "rooms", surroundings.PLACES["rooms"])
    for own in catalogue.services:
        space = f"city-{own.service}"
        assert own.port is not None
        assert own.http_port is not None
        yield Edge(SHARDS, f"{space}/{own.service}-rpc", own.port)
        yield Edge(REDUCER, f"{space}/{own.service}-rpc", own.port)
        yield Edge(REDUCER, f"{space}/{own.service}-stream", own.http_port)
        yield Edge(REDUCER, f"{space}/postgres", 5432)


def test_it_reaches_what_is_said_here_and_opens_nothing_more(
    load: World, catalogue: Catalogue
) -> None:
    assert edge_problems(load, catalogue) == []


def test_each_of_its_policies_is_needed(load: World, catalogue: Catalogue) -> None:
    for index, found in enumerate(load.objects):
        if found["kind"] == "NetworkPolicy":
            less = World([one for at, one in enumerate(load.objects) if at != index])
            assert edge_problems(less, catalogue, namespace(found)), found["metadata"]


def test_it_calls_by_the_clients_own_identities(load: World) -> None:
    for name in ("loadtests-identity", "operator-identity"):
        given = load.find("Certificate", name, SPACE)["spec"]
        assert given == build("base/clients").find("Certificate", name, "city-clients")["spec"]


def test_the_checkers_login_reads_what_only_its_owner_may_and_nothing_else(load: World) -> None:
    user = load.find("KafkaUser", "loadtests-checker", "citymesh-kafka")
    wanted = {
        Acl("loadtests-checker", "TOPIC", "LITERAL", topic, operation)
        for topic in reading._PERSONAL
        for operation in ("DESCRIBE", "READ")
    }
    assert kafka.rules(World([user])) == wanted
    # No password is named: Strimzi makes one, and takes it away with the user.
    assert user["spec"]["authentication"] == {"type": "scram-sha-512"}
    data = places(load)
    assert data["HEALTH_KAFKA__USERNAME"] == user["metadata"]["name"]


def test_it_looks_into_rooms_where_the_city_has_them(load: World) -> None:
    cities = build("overlays/city").find("NetworkPolicy", "reach-rooms")["spec"]["egress"][0]
    assert load.find("NetworkPolicy", "reducer", SPACE)["spec"]["egress"][2] == cities


def test_only_the_reducer_is_given_access(load: World) -> None:
    assert not environment(load, "shards").keys() & ACCESS.keys()
    assert environment(load, "reducer").keys() >= ACCESS.keys()


def cluster_settings(load: World, monkeypatch: pytest.MonkeyPatch) -> ClusterSettings:
    """As the reducer reads them."""
    for name, value in environment(load, "reducer").items():
        monkeypatch.setenv(name, value)
    command, *arguments = container(load, "reducer")["args"]
    assert command == "loadtests.scenarios.cluster"
    return parse(ClusterSettings, arguments)


def test_the_reducer_runs_the_scenario_that_is_named(
    load: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = cluster_settings(load, monkeypatch)
    chosen = scenarios.load(settings.scenario)
    given = environment(load, "reducer")
    # Until somebody says where its alarms end: a real room would act on them.
    assert [one.partition(":")[0] for one in refusals(chosen, settings, given)] == [
        "LOADTESTS_ROOMS"
    ]
    watched = settings.model_copy(update={"rooms": {"room-112": "http://192.0.2.112:443"}})
    assert list(refusals(chosen, watched, given)) == []
    for prefix in ("OPERATOR_KAFKA__", "HEALTH_KAFKA__"):
        own = {
            name.removeprefix(prefix).lower(): value
            for name, value in given.items()
            if name.startswith(prefix)
        }
        login = KafkaSettings.model_validate(own)
        assert (login.bootstrap_servers, login.security_protocol) == (
            "city-kafka-bootstrap.citymesh-kafka.svc:9093",
            "SASL_SSL",
        )
    data = places(load)
    for who in ("OPERATOR", "HEALTH"):
        registry = data[f"{who}_REGISTRY__URL"]
        assert registry == "http://registry.citymesh-registry.svc:8080/apis/ccompat/v7"


def test_shards_call_where_the_reducer_listens(
    load: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, *arguments = container(load, "shards")["args"]
    assert command == "loadtests.driver.shard"
    begun: list[tuple[object, ...]] = []

    async def work(*given: object) -> None:
        begun.append(given)

    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    monkeypatch.setattr(shard, "work", work)
    monkeypatch.setattr(sys, "setswitchinterval", lambda seconds: None)
    assert shard.main(arguments) == 0
    assert begun == [(f"load-reducer:{PORT}", 1, Path("/tmp/run"))]
    service = load.find("Service", "load-reducer", SPACE)
    assert service["spec"]["ports"][0]["port"] == PORT
    listen = cluster_settings(load, monkeypatch).listen
    assert listen == f"0.0.0.0:{PORT}"
    # It is not ready before it listens, and a shard that has no address for it asks again.
    assert service["spec"]["clusterIP"] == "None"


def job_problems(load: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a run could hang, repeat itself, or wait for shards that nobody starts."""
    settings = cluster_settings(load, monkeypatch)
    watched = settings.model_copy(update={"rooms_unwatched": True})
    longest = max(
        most_seconds(planned(one, settings.seed, settings.shards, ""))
        for one in map(scenarios.load, scenarios.names())
        if not list(refusals(one, watched, environment(load, "reducer")))
    )
    for name in ("reducer", "shards"):
        spec = load.find("Job", name, SPACE)["spec"]
        if spec.get("backoffLimit") != 0 or spec["template"]["spec"]["restartPolicy"] != "Never":
            yield f"{name}: it is tried again"
        if spec.get("activeDeadlineSeconds", 0) <= longest + 2 * settings.prepare_seconds:
            yield f"{name}: it is ended before it has judged"
        if not spec.get("ttlSecondsAfterFinished"):
            yield f"{name}: it is never cleared away"
        if any(key.endswith("Probe") for key in container(load, name)):
            yield f"{name}: what connects to the reducer and goes away loses the run"
    spec = load.find("Job", "shards", SPACE)["spec"]
    if spec.get("completionMode") != "Indexed":
        yield "shards: they are not told who they are"
    if {spec.get("completions"), spec.get("parallelism")} != {settings.shards}:
        yield f"shards: {spec.get('completions')} of them, {settings.shards} are waited for"


def test_a_run_ends_and_all_shards_are_there(load: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(job_problems(load, monkeypatch)) == []


def place_problems(load: World, catalogue: Catalogue) -> Iterator[str]:
    """Departments that are not where the load test looks for them, and files that are nowhere."""
    data = places(load)
    called = set(policy.peers(catalogue.find("loadtests"), catalogue.services))
    calls = json.loads(data["LOADTESTS_PEERS"])
    if calls != {name: pods.address(name) for name in called}:
        yield f"peers are {calls}"
    desk = json.loads(data["OPERATOR_PEERS"])
    if desk != {"emergency": pods.address("emergency")}:
        yield f"the operator's peers are {desk}"
    metrics = json.loads(data["LOADTESTS_METRICS"])
    if metrics != {own.service: _metrics(own) for own in catalogue.services}:
        yield f"metrics are {metrics}"
    for name in ("reducer", "shards"):
        mounts = [one["mountPath"] for one in container(load, name)["volumeMounts"]]
        for key, value in environment(load, name).items():
            if key.endswith("_FILE") and value.rpartition("/")[0] not in mounts:
                yield f"{name}: {key}: nothing is mounted there"


def _metrics(own: Registration) -> str:
    host = f"{own.service}-stream.city-{own.service}.svc.cluster.local"
    return f"http://{host}:{own.http_port}/metrics"


def test_departments_are_found_where_they_are(load: World, catalogue: Catalogue) -> None:
    assert list(place_problems(load, catalogue)) == []


def find(kind: str, name: str) -> Callable[[World], Any]:
    return lambda load: load.find(kind, name, SPACE)


def job(load: World, name: str) -> Any:
    return load.find("Job", name, SPACE)["spec"]


JOBS: dict[str, Plant] = {
    "it is tried again": lambda load: job(load, "shards").pop("backoffLimit"),
    "no deadline": lambda load: job(load, "reducer").pop("activeDeadlineSeconds"),
    "a deadline that is too early": lambda load: job(load, "reducer").update(
        activeDeadlineSeconds=600
    ),
    "never cleared away": lambda load: job(load, "reducer").pop("ttlSecondsAfterFinished"),
    "a probe": lambda load: container(load, "reducer").update(
        readinessProbe={"tcpSocket": {"port": PORT}}
    ),
    "no index": lambda load: job(load, "shards").pop("completionMode"),
    "a shard too few": lambda load: job(load, "shards").update(completions=1),
    "one after the other": lambda load: job(load, "shards").update(parallelism=1),
}


@pytest.mark.parametrize("fault", JOBS)
def test_faults_of_jobs(load: World, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = load.copy()
    JOBS[fault](broken)
    assert list(job_problems(broken, monkeypatch))


PLACES: dict[str, Plant] = {
    "a department is missing": lambda load: places(load).update(LOADTESTS_PEERS="{}"),
    "no metrics": lambda load: places(load).update(LOADTESTS_METRICS="{}"),
    "a certificate is not mounted": lambda load: container(load, "shards")["volumeMounts"].pop(0),
}


@pytest.mark.parametrize("fault", PLACES)
def test_faults_of_places(load: World, fault: str, catalogue: Catalogue) -> None:
    broken = load.copy()
    PLACES[fault](broken)
    assert list(place_problems(broken, catalogue))


EDGES: dict[str, Plant] = {
    "shards may read": lambda load: _read(load)["podSelector"]["matchLabels"].pop(
        "app.kubernetes.io/component"
    ),
    "everybody may read": lambda load: _policy(load)["ingress"][0].pop("from"),
    "the world may be reached": lambda load: load.find("NetworkPolicy", "egress", SPACE)["spec"][
        "egress"
    ].append({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}),
    "no tenant": lambda load: load.find("Namespace", SPACE)["metadata"]["labels"].pop(
        "citymesh.io/tenant"
    ),
}


def _policy(load: World) -> Any:
    return load.find("NetworkPolicy", "loadtests-read", "city-health")["spec"]


def _read(load: World) -> Any:
    return _policy(load)["ingress"][0]["from"][0]


@pytest.mark.parametrize("fault", EDGES)
def test_faults_of_edges(load: World, fault: str, catalogue: Catalogue) -> None:
    broken = load.copy()
    EDGES[fault](broken)
    assert edge_problems(broken, catalogue)


NAMED: dict[str, Plant] = {
    "no account": lambda load: load.objects.remove(find("ServiceAccount", "loadtests")(load)),
    "no settings": lambda load: load.objects.remove(find("ConfigMap", "load")(load)),
    "no certificate": lambda load: load.objects.remove(
        find("Certificate", "operator-identity")(load)
    ),
    "a Service of both": lambda load: load.find("Service", "load-reducer", SPACE)["spec"][
        "selector"
    ].pop("app.kubernetes.io/component"),
    "a secret that nobody makes": lambda load: container(load, "reducer")["envFrom"].append(
        {"secretRef": {"name": "more"}}
    ),
}


@pytest.mark.parametrize("fault", NAMED)
def test_faults_of_names(load: World, fault: str, catalogue: Catalogue) -> None:
    broken = load.copy()
    NAMED[fault](broken)
    assert reference_problems(broken, catalogue)
