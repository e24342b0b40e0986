"""Who a department is, whom it lets in, and which events it tells the registry of."""

from __future__ import annotations

import json
from typing import Any

from city_backbone.registration import Registration
from meshctl.catalogue import Catalogue
from pydantic import BaseModel

from meshctl import policy

from . import pods, settings
from .manifests import World, namespace, told


def test_every_principal_has_a_certificate_of_its_own(world: World, catalogue: Catalogue) -> None:
    found = {
        uri: certificate for certificate in world.of("Certificate") for uri in _uris(certificate)
    }
    names = {f"spiffe://citymesh/{one.service}" for one in catalogue}
    assert found.keys() == names | {"spiffe://citymesh/registry"}
    for one in catalogue:
        certificate = found[f"spiffe://citymesh/{one.service}"]
        space = "city-clients" if one.is_client else f"city-{one.service}"
        spec = certificate["spec"]
        assert namespace(certificate) == space
        assert spec["issuerRef"]["name"] == "citymesh-ca"
        assert {"server auth", "client auth"} <= set(spec["usages"])
        assert not spec.get("isCA")
        # The others' names, or a department could answer for another.
        inside = f"{one.service}.{space}.svc"
        mine = {one.service, inside, f"{inside}.cluster.local"}
        assert one.service in spec["dnsNames"]
        assert set(spec["dnsNames"]) <= mine


def _uris(certificate: Any) -> list[str]:
    uris: list[str] = certificate["spec"].get("uris", [])
    return uris


def test_a_key_that_signs_for_long_is_kept_when_its_certificate_is_renewed(
    world: World, catalogue: Catalogue
) -> None:
    """Without a signing key of its own a department signs by its TLS key, as P-256."""
    for service in catalogue.services:
        key = world.find("Certificate", "identity", f"city-{service.service}")["spec"]["privateKey"]
        assert (key["algorithm"], key["size"]) == ("ECDSA", 256)
        for pod in pods.of_service(world, service).values():
            loaded = settings.loaded(world, pod, service)
            if "signing_key_file" in _unset(loaded):
                assert key.get("rotationPolicy") == "Never", pod.path


def _unset(settings: BaseModel) -> set[str]:
    """The names of settings, at any depth, that are None."""
    found: set[str] = set()
    for name, value in settings:
        if value is None:
            found.add(name)
        elif isinstance(value, BaseModel):
            found |= _unset(value)
    return found


def test_each_department_lets_in_exactly_its_declared_callers(
    world: World, catalogue: Catalogue
) -> None:
    for service in catalogue.services:
        config = world.find("ConfigMap", "policy", f"city-{service.service}")
        assert json.loads(config["data"]["policy.json"]) == policy.for_service(service, catalogue)


def test_neighbours_are_found_by_a_service_of_that_port(world: World, catalogue: Catalogue) -> None:
    for caller in catalogue.services:
        for name in policy.peers(caller, catalogue.services):
            service = world.find("Service", name, f"city-{name}")
            ports = [port["port"] for port in service["spec"]["ports"]]
            host, _, port = pods.address(name).removeprefix("dns:///").rpartition(":")
            assert host == f"{name}.city-{name}.svc.cluster.local"
            assert int(port) in ports


def test_what_a_department_produces_is_registered_before_it_is_asked_for(
    world: World, catalogue: Catalogue
) -> None:
    for service in catalogue.services:
        jobs = world.of("Job", f"city-{service.service}")
        assert len(jobs) == 1, service.service
        spec = jobs[0]["spec"]["template"]["spec"]
        volumes = [one["configMap"] for one in spec["volumes"] if "configMap" in one]
        assert len(volumes) == 1, told(jobs[0])
        data = world.find("ConfigMap", volumes[0]["name"], f"city-{service.service}")["data"]
        assert data == _registration(service)
        words = [*spec["containers"][0].get("command", []), *spec["containers"][0].get("args", [])]
        assert "http://registry.citymesh-registry.svc:8080/apis/ccompat/v7" in words
        paths = {
            item["path"]
            for volume in volumes
            for item in volume.get("items", [{"path": name} for name in data])
        }
        for produced in service.produces:
            assert any(path.endswith(produced.schema_file) for path in paths), produced.topic


def _registration(service: Registration) -> dict[str, str]:
    files = [service.events / produced.schema_file for produced in service.produces]
    return {file.name: file.read_text("utf-8") for file in [service.path, *files]}
