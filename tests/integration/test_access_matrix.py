"""Everybody tries everything: what is declared is allowed, all else is refused and in the log."""

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import grpc
import psycopg
import pytest
from aiokafka.errors import SaslAuthenticationFailed
from city_backbone.testing import eventually
from meshctl.pki import Authority

from . import access_kafka, access_rpc, access_rules
from .access_city import ONVIF_KEY, City, running

pytestmark = pytest.mark.timeout(300)

STRANGER = "stranger"
OPEN = ("/healthz", "/readyz", "/metrics")
# A clock that ticks, and rules that come with the code, written when they are first asked for.
OWN_WRITES = {
    "cameras.public.presence_watch",
    "cameras.public.rule_set",
    "parking.public.split_rule",
}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with running(tmp_path_factory.mktemp("city")) as city:
        yield city


@pytest.fixture(scope="module")
def another_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's certificate as another authority signs it."""
    certificate, _ = Authority(tmp_path_factory.mktemp("another")).ensure("operator")
    return certificate


def test_a_city_at_work_is_refused_nothing(city: City) -> None:
    """The first of this module: later ones try what nobody declared."""
    assert city.denials() == set()
    assert city.refusals() == set()


async def test_the_broker_allows_what_is_declared_and_logs_every_refusal(city: City) -> None:
    names = [one.name for one in city.principals]
    own = {f"{name}-matrix" for name in names}
    others = {"__consumer_offsets", "city.nobodys.v1"}
    topics = sorted(access_rules.topics(city.principals) | own | others)
    groups = sorted({*names, *own, "anybody"})
    declared, allowed, tried = set(), set(), set()
    for one in city.principals:
        declared |= {
            *((one.name, "TOPIC", topic, may) for topic in topics for may in one.on_topic(topic)),
            *((one.name, "GROUP", group, may) for group in groups for may in one.on_group(group)),
        }
        user = (f"127.0.0.1:{city.port('kafka')}", one.name, city.password(one.name))
        async with access_kafka.connected(*user) as client:
            answers = await access_kafka.ask(client, topics, groups)
        tried |= {(one.name, *what) for what in answers}
        allowed |= {(one.name, *what) for what, may in answers.items() if may}
    pairs = len(topics) * len(access_rules.TOPIC_OPERATIONS)
    pairs += len(groups) * len(access_rules.GROUP_OPERATIONS) + 2
    assert len(tried) == len(names) * pairs
    assert allowed - declared == set()
    assert declared - allowed == set()

    async def logged() -> bool:
        return tried - declared <= city.denials()

    await eventually(logged)
    assert city.denials() & declared == set()


@pytest.mark.parametrize("user", ["nobody", "sensors", "registry"])
async def test_a_wrong_password_is_not_let_in(city: City, user: str) -> None:
    before = city.log("kafka").count("Failed authentication")
    with pytest.raises(SaslAuthenticationFailed):
        await access_kafka.login(city.port("kafka"), user, city.password("operator"))
    with pytest.raises(SaslAuthenticationFailed):
        await access_kafka.login(city.port("kafka"), user, "")

    async def logged() -> bool:
        return city.log("kafka").count("Failed authentication") == before + 2

    await eventually(logged)


async def test_the_services_answer_whom_they_know_and_log_every_refusal(city: City) -> None:
    methods = list(access_rules.methods())
    assert {service for service, _ in methods} == {
        served for one in city.services for served in one.serves
    }
    callers = [one for one in city.principals if one.name != access_rules.REGISTRY]
    callers.append(access_rules.Principal(STRANGER, is_service=False))
    Authority(city.folder / "ca").ensure(STRANGER)
    ports = {one.name: city.port(f"{one.name}.grpc") for one in city.services}

    async def refused(
        one: access_rules.Principal, asked: set[tuple[str, str]], seconds: float
    ) -> set[str]:
        files = city.certificate("ca"), city.certificate(one.name)
        answers = await access_rpc.call_all(ports, *files, asked, seconds)
        codes = {answer.code for answer in answers.values()}
        assert not codes & {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL}, one.name
        return {"/".join(method) for method, answer in answers.items() if answer.refused}

    async def changed() -> set[str]:
        now = (await city.contents()).items()
        return {table for table, _ in now - before.items()} - OWN_WRITES

    undeclared = set()
    before = await city.contents()
    for one in callers:
        others = {method for method in methods if not one.may_call(*method)}
        told = await refused(one, others, 20)
        assert told == {"/".join(method) for method in others}, one.name
        undeclared |= {(one.name, "/".join(method)) for method in others}
    assert await changed() == set()
    assert {caller for caller, _ in undeclared} == {one.name for one in callers}

    async def logged() -> bool:
        return undeclared == city.refusals()

    await eventually(logged)
    for one in callers:
        declared = {method for method in methods if one.may_call(*method)}
        assert await refused(one, declared, 2) == set()  # streams among them last as long
    assert undeclared == city.refusals()
    assert {table for table in await changed() if not table.endswith(".register_record")} == set()


async def test_who_has_no_certificate_of_this_city_is_not_let_in(
    city: City, another_city: Path
) -> None:
    ca = city.certificate("ca")
    offers = (access_rpc.credentials(ca, another_city), access_rpc.credentials(ca, None), None)
    for one in city.services:
        before = city.log(one.name).count("Handshake failed")
        for offer in offers:
            channel = access_rpc.channel(city.port(f"{one.name}.grpc"), one.name, offer)
            try:
                answer = await access_rpc.call(channel, "grpc.health.v1.Health", "Check", 20)
            finally:
                await channel.close()
            assert answer.code is grpc.StatusCode.UNAVAILABLE

        async def logged(name: str = one.name, before: int = before) -> bool:
            return city.log(name).count("Handshake failed") >= before + len(offers)

        await eventually(logged)


def test_a_database_is_open_to_its_department_alone(city: City) -> None:
    names = [one.name for one in city.services]
    for role in names:
        for database in (*names, "postgres", "template1"):
            if database == role:
                with psycopg.connect(city.dsn(role, database), connect_timeout=10):
                    continue
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(city.dsn(role, database), connect_timeout=10)
    log = city.log("postgres")
    for database in names:
        assert log.count(f'permission denied for database "{database}"') == len(names) - 1
    server = f"127.0.0.1:{city.port('postgres')}/{names[0]}"
    for client in (one.name for one in city.principals if not one.is_service):
        for login in (f"{client}:{city.password(client)}", "postgres:", f"{names[0]}:{client}"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"postgresql://{login}@{server}", connect_timeout=10)


async def test_what_http_answers_without_a_key(city: City) -> None:
    expected = {
        "parking GET /lots.geojson": 200,
        "cameras POST /onvif/notify?camera_id=c": 401,
        "cameras POST /onvif/notify?camera_id=c&key=wrong": 401,
        f"cameras POST /onvif/notify?camera_id=c&key={ONVIF_KEY}": 400,
        "health GET /fhir/metadata": 200,
        "health GET /fhir/Observation": 401,
        "health POST /fhir": 401,
        "health POST /fhir/Observation": 401,
        "health DELETE /fhir/Observation/1": 404,
        "emergency POST /api/getAuth.json": 400,
        "emergency POST /integrationPlatformEvent": 400,
    }
    exposed = {(one.name, f"{path}/") for one in city.services for path in one.exposes}
    for name, beginning in exposed:
        assert [asked for asked in expected if _is_under(asked, name, beginning)], beginning
    for asked in expected:
        assert [path for path in exposed if _is_under(asked, *path)], asked
    expected |= {f"{one.name} GET {path}": 200 for one in city.services for path in OPEN}
    expected |= {f"{one.name} GET /": 404 for one in city.services}
    found = {}
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for asked in expected:
            service, method, path = asked.split(" ")
            url = f"http://127.0.0.1:{city.port(f'{service}.http')}{path}"
            async with session.request(method, url, data=b"{}" * (method == "POST")) as answer:
                found[asked] = answer.status
    assert found == expected


def _is_under(asked: str, service: str, beginning: str) -> bool:
    name, _, path = asked.split(" ")
    return name == service and f"{path.partition('?')[0]}/".startswith(beginning)
