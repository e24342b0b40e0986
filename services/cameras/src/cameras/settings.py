"""Settings of the department, CAMERAS_* in the environment."""

from pathlib import Path

from city_backbone.settings import ServiceSettings
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PresenceSettings(_Model):
    """When a camera counts as offline or online; seconds."""

    offline_after_seconds: float = Field(default=60.0, gt=0)
    online_heartbeats: int = Field(default=3, ge=1)
    check_every_seconds: float = Field(default=5.0, gt=0)
    """So often the service also notes that it listens: three turns missed are an outage of its."""

    @model_validator(mode="after")
    def _outages_are_seen_within_the_window(self) -> "PresenceSettings":
        if 3 * self.check_every_seconds > self.offline_after_seconds:
            raise ValueError(
                "check_every_seconds: expected at most a third of offline_after_seconds"
            )
        return self


class IngestSettings(_Model):
    """What the edges take."""

    directory_seconds: float = Field(default=5.0, gt=0)
    """How old what is known of cameras may be."""
    refresh_seconds: float = Field(default=1.0, gt=0)
    """How often the directory may be read again for a camera that is not known."""
    onvif_key: SecretStr | None = Field(default=None, min_length=16)
    """What cameras say to be let in; without it no notification is taken."""
    onvif_topics_file: Path | None = None
    """Instead of the list of topics in the package."""
    max_notification_bytes: int = Field(default=256 * 1024, ge=1024, le=4 * 1024 * 1024)
    read_seconds: float = Field(default=10.0, gt=0)
    max_calls: int = Field(default=32, ge=1)
    """Of PublishDetections, that wait or are worked on; over it only what is urgent is let in."""
    hold_seconds: float = Field(default=600.0, gt=0)
    """How long a state stands that its camera neither confirms nor takes back."""
    hold_every_seconds: float = Field(default=1.0, gt=0)
    max_parked: int = Field(default=10_000, ge=0)
    parked_days: int = Field(default=30, ge=1)


class AlarmSettings(_Model):
    """The operators' side of alarms; seconds."""

    escalate_every_seconds: float = Field(default=0.5, gt=0)
    watch_every_seconds: float = Field(default=0.5, gt=0)


class LeaseSettings(_Model):
    """Limits of leased video."""

    max_minutes: int = Field(default=60, ge=1, le=24 * 60)
    approve_within_minutes: int = Field(default=60, ge=1)
    """For approval before the lease starts, and afterwards where that is allowed."""
    scene_minutes: int = Field(default=30, ge=1, le=24 * 60)
    token_seconds: int = Field(default=60, ge=5, le=600)
    expire_every_seconds: float = Field(default=1.0, gt=0)
    seal_every_seconds: float = Field(default=60.0, gt=0)
    signing_key_file: Path | None = None
    """PEM of a P-256 key; without it the service's TLS key signs stream tokens."""


class CamerasSettings(ServiceSettings):
    """What an SRE can change."""

    model_config = SettingsConfigDict(
        env_prefix="CAMERAS_", env_nested_delimiter="__", extra="ignore"
    )

    presence: PresenceSettings = PresenceSettings()
    ingest: IngestSettings = IngestSettings()
    alarms: AlarmSettings = AlarmSettings()
    leases: LeaseSettings = LeaseSettings()
