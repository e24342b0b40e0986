"""A wrong variable stops the start, and is named."""

import pytest
from city_backbone.errors import SettingsError
from city_backbone.settings import ServiceSettings, load
from pydantic_settings import SettingsConfigDict


class TrialSettings(ServiceSettings):
    model_config = SettingsConfigDict(
        env_prefix="TRIAL_", env_nested_delimiter="__", extra="ignore"
    )


GOOD = {
    "TRIAL_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "TRIAL_KAFKA__USERNAME": "trial",
    "TRIAL_KAFKA__PASSWORD": "kafka-secret",
    "TRIAL_REGISTRY__URL": "http://127.0.0.1:9",
    "TRIAL_DATABASE__DSN": "postgresql://trial:database-secret@127.0.0.1:9/trial",
    "TRIAL_TLS__CERT_FILE": "a.pem",
    "TRIAL_TLS__KEY_FILE": "a.key",
    "TRIAL_TLS__CA_FILE": "ca.pem",
    "TRIAL_GRPC__PORT": "0",
    "TRIAL_HTTP__PORT": "0",
    "TRIAL_POLICY_FILE": "policy.json",
    "TRIAL_PEERS": '{"sensors": "127.0.0.1:50062"}',
    "TRIAL_REGISTRATION_FILE": "service.yaml",
    "TRIAL_INSTANCE": "trial-0",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    settings = load(TrialSettings)
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9"
    assert settings.peers == {"sensors": "127.0.0.1:50062"}
    assert settings.kafka.security_protocol == "SASL_SSL"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRIAL_GRPC__PORT", "fifty"),
        ("TRIAL_HTTP__PORT", "70000"),
        ("TRIAL_KAFKA__SECURITY_PROTOCOL", "PLAINTEXT"),
        ("TRIAL_KAFKA__SESSION_TIMEOUT_SECONDS", "1"),
        ("TRIAL_DATABASE__POOL_SIZE", "1"),
        ("TRIAL_OUTBOX__BATCH", "0"),
        ("TRIAL_PEERS", "sensors=127.0.0.1"),
        ("TRIAL_PEERS", '["sensors"]'),
        ("TRIAL_STALL_SECONDS", ""),
    ],
)
def test_a_wrong_variable_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load(TrialSettings)


@pytest.mark.parametrize("name", sorted(GOOD.keys() - {"TRIAL_PEERS"}))
def test_a_missing_variable_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError) as caught:
        load(TrialSettings)
    named = str(caught.value).partition(":")[0]
    assert name.startswith(named)
    assert named != "TRIAL_"


def test_each_wrong_variable_is_named_and_no_value_is_told(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("TRIAL_GRPC__PORT", "canary-value")
    environment.delenv("TRIAL_INSTANCE")
    with pytest.raises(SettingsError) as caught:
        load(TrialSettings)
    assert {problem.partition(":")[0] for problem in str(caught.value).split("; ")} == {
        "TRIAL_GRPC__PORT",
        "TRIAL_INSTANCE",
    }
    assert "canary" not in str(caught.value)
    assert "secret" not in str(caught.value)
