"""Settings of the department, SENSORS_* in the environment."""

from datetime import timedelta

from city_backbone.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class SensorsSettings(ServiceSettings):
    """What an SRE can change of the rules and the timers."""

    model_config = SettingsConfigDict(
        env_prefix="SENSORS_", env_nested_delimiter="__", extra="ignore"
    )

    lateness_minutes: int = Field(default=15, ge=0, le=24 * 60)
    """An hour closes that long after its end, unless it is complete before."""
    close_every_seconds: float = Field(default=5.0, gt=0)
    silence_every_seconds: float = Field(default=5.0, gt=0)
    watch_every_seconds: float = Field(default=0.5, gt=0)
    max_calls: int = Field(default=128, ge=1)
    """Of PublishReadings, that wait or are worked on; stations send all on the minute."""

    @property
    def lateness(self) -> timedelta:
        return timedelta(minutes=self.lateness_minutes)
