"""Typed settings from the environment, one prefix per service, nested with `__`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariable

from city_backbone.errors import SettingsError

Role: TypeAlias = Literal["all", "rpc", "stream"]
"""What a process of a service does; see docs/decisions/0019."""


class KafkaSettings(BaseModel):
    """How to reach the broker, as one department."""

    bootstrap_servers: str
    security_protocol: Literal["SASL_PLAINTEXT", "SASL_SSL"] = "SASL_SSL"
    sasl_mechanism: Literal["SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str
    password: SecretStr
    ca_file: Path | None = None
    session_timeout_seconds: float = Field(default=15.0, ge=6)
    max_poll_records: int = Field(default=3_000, ge=1, le=10_000)


class RegistrySettings(BaseModel):
    """Confluent-compatible schema registry; url ends in the API's base path."""

    url: str
    timeout_seconds: float = Field(default=3.0, gt=0)


class DatabaseSettings(BaseModel):
    """The department's own PostgreSQL database."""

    dsn: SecretStr
    pool_size: int = Field(default=10, ge=2)
    statement_timeout_seconds: float = Field(default=15.0, gt=0)
    connect_timeout_seconds: float = Field(default=5.0, gt=0)


class TlsSettings(BaseModel):
    """This department's certificate and the city's CA, PEM files."""

    cert_file: Path
    key_file: Path
    ca_file: Path


class GrpcSettings(BaseModel):
    """Where the gRPC server listens, and how it treats connections."""

    host: str = "0.0.0.0"
    port: int = Field(ge=0, le=65535)
    max_connection_age_seconds: float = Field(default=300.0, gt=0)
    max_message_bytes: int = Field(default=4 * 1024 * 1024, gt=0)
    max_concurrent_calls: int = Field(default=200, ge=1)
    default_deadline_seconds: float = Field(default=30.0, gt=0)


class HttpSettings(BaseModel):
    """Where health, metrics and the service's own routes listen."""

    host: str = "0.0.0.0"
    port: int = Field(ge=0, le=65535)


class HealthSettings(BaseModel):
    """Where probes that cannot do mutual TLS ask; not opened without a port."""

    host: str = "0.0.0.0"
    port: int | None = Field(default=None, ge=0, le=65535)


class OutboxSettings(BaseModel):
    """How the relay reads the outbox."""

    batch: int = Field(default=500, ge=1)
    poll_seconds: float = Field(default=1.0, gt=0)
    send_timeout_seconds: float = Field(default=15.0, gt=0)


class DirectSettings(BaseModel):
    """How events that do not go through the outbox are sent."""

    queue: int = Field(default=10_000, ge=1)
    yielding: int = Field(default=2_000, ge=1)
    """Events of calls that yield which may be unconfirmed at once, at most half of `queue`; of
    further ones the calls are refused."""
    batch: int = Field(default=1_000, ge=1)
    deadline_seconds: float = Field(default=5.0, gt=0)


class ServiceSettings(BaseSettings):
    """What every service needs; a service subclasses it with its prefix and its own settings."""

    model_config = SettingsConfigDict(env_nested_delimiter="__", extra="ignore")

    role: Role = "all"
    """What of the service this process is, see docs/decisions/0019."""
    kafka: KafkaSettings
    registry: RegistrySettings
    database: DatabaseSettings
    tls: TlsSettings
    grpc: GrpcSettings
    http: HttpSettings
    health: HealthSettings = HealthSettings()
    outbox: OutboxSettings = OutboxSettings()
    direct: DirectSettings = DirectSettings()
    policy_file: Path
    peers: dict[str, str] = {}
    registration_file: Path
    instance: str
    inbox_retention_days: int = Field(default=31, ge=1)
    stall_seconds: float = Field(default=60.0, gt=0)
    shutdown_seconds: float = Field(default=9.0, gt=0)


S = TypeVar("S", bound=ServiceSettings)


def load(settings_type: type[S], overrides: Mapping[str, object] | None = None) -> S:
    """The settings from the environment. Raises SettingsError naming each wrong variable."""
    prefix = settings_type.model_config.get("env_prefix", "")
    try:
        return settings_type(**dict(overrides or {}))  # type: ignore[arg-type]
    except UnreadableVariable as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = field[1].upper() if field else ""
        raise SettingsError(f"{prefix}{name}: expected JSON") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{prefix}{'__'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(problems) from error
