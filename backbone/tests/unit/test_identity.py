"""The policy allows what is registered, and nothing else."""

import json
from pathlib import Path

import pytest
from city_backbone.errors import SettingsError
from city_backbone.rpc.identity import Policy

GRANTS = {
    "city.sensors.v1.SensorsService/GetMap": ["emergency"],
    "city.parking.v1.ParkingService/*": ["operator", "sensors"],
}


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(GRANTS))
    return Policy.load(path)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("/city.sensors.v1.SensorsService/GetMap", "emergency"),
        ("/city.parking.v1.ParkingService/FindBay", "operator"),
        ("/city.parking.v1.ParkingService/FindBay", "sensors"),
    ],
)
def test_what_is_registered_is_allowed(policy: Policy, method: str, name: str) -> None:
    assert policy.allows(method, name)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("/city.sensors.v1.SensorsService/GetMap", "operator"),
        ("/city.sensors.v1.SensorsService/GetMap", ""),
        ("/city.sensors.v1.SensorsService/GetMap", "emerg"),
        ("/city.sensors.v1.SensorsService/GetMapAll", "emergency"),
        ("/city.sensors.v1.SensorsService/ListAlerts", "emergency"),
        ("/city.parking.v1.ParkingServiceX/FindBay", "operator"),
        ("/city.parking.v2.ParkingService/FindBay", "operator"),
        ("/*", "operator"),
        ("", "operator"),
    ],
)
def test_all_else_is_not(policy: Policy, method: str, name: str) -> None:
    assert not policy.allows(method, name)


@pytest.mark.parametrize("text", ["", "[]", '"a"', '{"a": 3}', '{"a": "operator"}', '{"a": [[]]}'])
def test_a_policy_that_is_none_stops_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"POLICY_FILE: .*policy\.json"):
        Policy.load(path)


def test_a_missing_policy_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="POLICY_FILE"):
        Policy.load(tmp_path / "none.json")
