"""Settings of the department, HEALTH_* in the environment."""

from pathlib import Path

from city_backbone.settings import ServiceSettings
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import SettingsConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PeopleSettings(_Model):
    """Keys, consent, follow-ups."""

    key: SecretStr = Field(min_length=44, max_length=44)
    """32 random bytes in base64, which wrap the people's keys: lost, all that is kept is lost."""
    keyring: Path
    """Folder of the people's keys, shared by all replicas."""
    signing_key_file: Path | None = None
    """PEM of a P-256 key; without it the service's TLS key signs certificates of forgetting."""
    withdraw_every_seconds: float = Field(default=5.0, gt=0)
    """So often withdrawals that a crash cut off are taken up again."""
    follow_up_every_seconds: float = Field(default=5.0, gt=0)
    measure_again_days: int = Field(default=90, ge=1)
    """After a measurement without findings; half of it after advice to watch."""
    see_doctor_days: int = Field(default=14, ge=1)
    """After advice to see a doctor; half of it after advice to see one soon."""
    seal_every_seconds: float = Field(default=60.0, gt=0)


class AssessmentSettings(_Model):
    """Advice and the acute score."""

    rules_file: Path | None = None
    """Instead of the rules in the package."""
    acute_within_minutes: int = Field(default=30, ge=1)
    """An acute reading that comes later than that calls nobody: it becomes a follow-up."""


class FhirSettings(_Model):
    """POST /fhir and the search."""

    key: SecretStr | None = Field(default=None, min_length=16)
    """What systems that send say, as a bearer token; without it nothing is taken."""
    max_entries: int = Field(default=100, ge=1, le=1000)
    """Of a transaction Bundle."""


class HealthSettings(ServiceSettings):
    """What an SRE can change."""

    model_config = SettingsConfigDict(
        env_prefix="HEALTH_", env_nested_delimiter="__", extra="ignore"
    )

    people: PeopleSettings
    assessment: AssessmentSettings = AssessmentSettings()
    fhir: FhirSettings = FhirSettings()
