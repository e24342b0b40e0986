"""Certificates, passwords, call policies and environments."""

from __future__ import annotations

import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from city_backbone.registration import Registration, load_all
from cryptography import x509
from meshctl.errors import MeshctlError
from meshctl.places import Local
from meshctl.state import State

from meshctl import credentials, environment, pki, policy

SENSORS = """\
service: sensors
owner: o
contact: c
port: 50062
http_port: 51062
serves: [city.sensors.v1.SensorsService]
secrets: [VAULT__KEY]
folders: [PEOPLE__KEYRING]
"""
EMERGENCY = """\
service: emergency
owner: o
contact: c
http_port: 51065
calls: [city.sensors.v1.SensorsService/GetMap, city.health.v1.HealthService/Get]
"""
OPERATOR = "service: operator\nowner: o\ncontact: c\ncalls: [city.sensors.v1.SensorsService/*]\n"
PORTS = {
    "kafka": 1,
    "registry": 2,
    "postgres": 3,
    "sensors.grpc": 4,
    "sensors.http": 5,
    "emergency.http": 6,
}


@pytest.fixture
def registrations(tmp_path: Path) -> tuple[Registration, ...]:
    paths = []
    for name, text in (("sensors", SENSORS), ("emergency", EMERGENCY), ("operator", OPERATOR)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        paths.append(path)
    return load_all(paths)


def load_certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_certificate_names_its_principal(tmp_path: Path) -> None:
    certificate_file, key_file = pki.Authority(tmp_path).ensure("sensors")
    names = load_certificate(certificate_file).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == ["spiffe://citymesh/sensors"]
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost", "sensors"]
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    load_certificate(certificate_file).verify_directly_issued_by(
        load_certificate(tmp_path / "ca.pem")
    )


def test_certificates_are_reused(tmp_path: Path) -> None:
    before = pki.Authority(tmp_path).ensure("sensors")[0].read_bytes()
    assert pki.Authority(tmp_path).ensure("sensors")[0].read_bytes() == before


def test_what_expires_soon_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pki, "_LEAF_VALID", timedelta(days=10))
        before = load_certificate(pki.Authority(tmp_path).ensure("sensors")[0])
    after = load_certificate(pki.Authority(tmp_path).ensure("sensors")[0])
    assert after.not_valid_after_utc - before.not_valid_after_utc > timedelta(days=300)


def test_certificates_of_another_authority_are_renewed(tmp_path: Path) -> None:
    pki.Authority(tmp_path).ensure("sensors")
    (tmp_path / "ca.key").unlink()
    certificate_file, _ = pki.Authority(tmp_path).ensure("sensors")
    load_certificate(certificate_file).verify_directly_issued_by(
        load_certificate(tmp_path / "ca.pem")
    )


def test_passwords_are_made_once_and_kept_private(tmp_path: Path) -> None:
    state = State(tmp_path)
    first = credentials.ensure(state, ["sensors"], ["sensors"])
    second = credentials.ensure(state, ["sensors", "emergency"], [])
    assert second.kafka["sensors"] == first.kafka["sensors"]
    assert second.postgres == first.postgres
    assert second.cluster_id == first.cluster_id
    assert "emergency" in second.kafka
    assert stat.S_IMODE(state.secrets.stat().st_mode) == 0o600


def test_a_services_secrets_are_made_once_and_never_lost(tmp_path: Path) -> None:
    state = State(tmp_path)
    first = credentials.ensure(state, [], [], {"parking": ["VAULT__KEY"], "sensors": []})
    assert len(base64.b64decode(first.services["parking"]["VAULT__KEY"], validate=True)) == 32
    second = credentials.ensure(state, [], [], {"parking": ["VAULT__KEY", "OTHER__KEY"]})
    assert second.services["parking"]["VAULT__KEY"] == first.services["parking"]["VAULT__KEY"]
    assert second.services["parking"]["OTHER__KEY"] != first.services["parking"]["VAULT__KEY"]
    assert credentials.ensure(state, ["parking"], []).services == second.services


def test_commands_at_once_make_one_key(tmp_path: Path) -> None:
    state = State(tmp_path)

    def make(number: int) -> str:
        settings = {"parking": ["VAULT__KEY"], f"other{number}": ["KEY"]}
        return credentials.ensure(state, [], [], settings).services["parking"]["VAULT__KEY"]

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(make, range(8)))) == 1
    assert len(credentials.ensure(state, [], []).services) == 9


def test_broken_secrets_are_an_error_and_not_replaced(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.secrets.write_text("{")
    with pytest.raises(MeshctlError, match=r"secrets\.json"):
        credentials.ensure(state, ["sensors"], [])
    assert state.secrets.read_text() == "{"


def test_a_policy_lists_the_declared_callers(registrations: tuple[Registration, ...]) -> None:
    by_name = {found.service: found for found in registrations}
    assert policy.for_service(by_name["sensors"], registrations) == {
        "city.sensors.v1.SensorsService/*": ["operator"],
        "city.sensors.v1.SensorsService/GetMap": ["emergency"],
    }
    assert policy.for_service(by_name["emergency"], registrations) == {}


def test_environment_of_a_service_and_of_a_client(
    tmp_path: Path, registrations: tuple[Registration, ...]
) -> None:
    by_name = {found.service: found for found in registrations}
    state = State(tmp_path)
    secrets = credentials.ensure(state, by_name, ["sensors", "emergency"])
    service, client = (
        environment.of(by_name[name], registrations, Local(PORTS, state), secrets)
        for name in ("emergency", "operator")
    )
    assert service["EMERGENCY_KAFKA__USERNAME"] == "emergency"
    assert service["EMERGENCY_HTTP__PORT"] == "6"
    assert service["EMERGENCY_DATABASE__DSN"].endswith("@127.0.0.1:3/emergency")
    assert json.loads(service["EMERGENCY_PEERS"]) == {"sensors": "127.0.0.1:4"}
    assert "EMERGENCY_GRPC__PORT" not in service
    assert json.loads(client["OPERATOR_PEERS"]) == {"sensors": "127.0.0.1:4"}
    assert client["OPERATOR_TLS__CERT_FILE"] == str(tmp_path / "ca" / "operator.pem")
    assert not {key for key in client if "VAULT" in key}
    assert not {"OPERATOR_DATABASE__DSN", "OPERATOR_POLICY_FILE", "OPERATOR_INSTANCE"} & set(client)


def test_only_the_service_that_names_a_secret_gets_it(
    tmp_path: Path, registrations: tuple[Registration, ...]
) -> None:
    state = State(tmp_path)
    everyone = {found.service: found for found in registrations}
    settings = {name: found.secrets for name, found in everyone.items()}
    known = credentials.ensure(state, everyone, ["sensors", "emergency"], settings)
    given = {
        name: environment.of(found, registrations, Local(PORTS, state), known)
        for name, found in everyone.items()
    }
    key = known.services["sensors"]["VAULT__KEY"]
    assert given["sensors"]["SENSORS_VAULT__KEY"] == key
    assert not [name for name in ("emergency", "operator") if key in given[name].values()]
    kept = given["sensors"]["SENSORS_PEOPLE__KEYRING"]
    assert Path(kept) == tmp_path / "folders" / "sensors" / "people__keyring"
