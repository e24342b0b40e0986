"""Settings of the city model: command line first, then LOADTESTS_* variables."""

from city_backbone.settings import TlsSettings
from pydantic import AwareDatetime, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from loadtests.city.errors import SettingsError


class CitySettings(BaseSettings):
    """Plays a modelled city's stations into sensors. Values are computed, not measured."""

    model_config = SettingsConfigDict(
        env_prefix="LOADTESTS_",
        env_nested_delimiter="__",
        extra="ignore",
        cli_kebab_case=True,
        cli_prog_name="python -m loadtests.city",
        frozen=True,
    )

    tls: TlsSettings = Field(description="certificate of the loadtests client, and the city's CA")
    peers: dict[str, str] = Field(default={}, description='JSON, {"sensors": "host:port"}')
    seed: int = Field(default=1, description="the city; the same seed is the same air")
    hours_per_second: float = Field(
        default=0.1, gt=0, le=1000, description="modelled hours a second, until it is now"
    )
    start: AwareDatetime | None = Field(
        default=None,
        description="first modelled time; without it after the last one sensors knows, "
        "else 60 days ago",
    )
    call_seconds: float = Field(default=10, gt=0, description="deadline of each call")

    def sensors_address(self) -> str:
        """host:port of sensors. Raises SettingsError."""
        if address := self.peers.get("sensors"):
            return address
        raise SettingsError("--peers (LOADTESTS_PEERS): expected an address of sensors")
