"""Settings of the department, PARKING_* in the environment."""

from pathlib import Path

from city_backbone.settings import ServiceSettings
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import SettingsConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BookingSettings(_Model):
    """Bounds of bookings, and when the clock moves them on."""

    hold_seconds: int = Field(default=300, ge=1, le=3600)
    min_minutes: int = Field(default=10, ge=1)
    max_hours: int = Field(default=72, ge=1)
    max_ahead_days: int = Field(default=60, ge=1)
    early_check_in_minutes: int = Field(default=10, ge=0)
    overstay_grace_minutes: int = Field(default=5, ge=0)
    """So long after its end a booking is not yet overstayed."""
    overstay_limit_hours: int = Field(default=24, ge=1)
    """A booking nobody checks out is settled after that."""
    departure_grace_seconds: int = Field(default=120, ge=1)
    """A sensor that sees no car for so long after the end: it has left without check-out."""
    sweep_every_seconds: float = Field(default=1.0, gt=0)


class OccupancySettings(_Model):
    """Sensors, counts and disputes."""

    dispute_grace_seconds: int = Field(default=300, ge=1)
    """Sensor and booking may disagree so long before it is a dispute."""
    judge_every_seconds: float = Field(default=1.0, gt=0)
    count_every_seconds: float = Field(default=1.0, gt=0)
    reading_days: int = Field(default=30, ge=1)


class LedgerSettings(_Model):
    """The books."""

    seal_every_seconds: float = Field(default=30.0, gt=0)
    """So often the service sees whether a day has ended."""
    split_rules_file: Path | None = None
    """Rules that a new ledger starts with, instead of those in the package."""


class VaultSettings(_Model):
    """Personal data."""

    key: SecretStr = Field(min_length=44, max_length=44)
    """32 random bytes in base64: lost, nobody can read plates and contacts any more."""
    incident_metres: float = Field(default=500.0, gt=0)
    """What is asked must be so near to its incident."""
    seal_every_seconds: float = Field(default=60.0, gt=0)


class ParkingSettings(ServiceSettings):
    """What an SRE can change."""

    model_config = SettingsConfigDict(
        env_prefix="PARKING_", env_nested_delimiter="__", extra="ignore"
    )

    bookings: BookingSettings = BookingSettings()
    occupancy: OccupancySettings = OccupancySettings()
    ledger: LedgerSettings = LedgerSettings()
    vault: VaultSettings
