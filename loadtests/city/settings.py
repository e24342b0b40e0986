"""Settings of the city model: command line first, then LOADTESTS_* variables."""

from pathlib import Path
from typing import Annotated

from city_backbone.settings import TlsSettings
from pydantic import AfterValidator, AwareDatetime, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from loadtests.city.errors import SettingsError
from loadtests.city.scenes.catalogue import SCENES


def _names(text: str) -> str:
    if text != "all" and (unknown := [name for name in text.split(",") if name not in SCENES]):
        known = ", ".join(SCENES)
        raise ValueError(f"no scene {unknown[0]!r}; expected all, or some of {known}")
    return text


class CitySettings(BaseSettings):
    """Plays a modelled city into its departments. Values are computed, not measured.

    Without --scenes it plays air, cameras, parking and health until it is stopped. With it, it
    plays those scenes over a background, writes what was played and what must come of it, and
    ends.
    """

    model_config = SettingsConfigDict(
        env_prefix="LOADTESTS_",
        env_nested_delimiter="__",
        extra="ignore",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_prog_name="python -m loadtests.city",
        frozen=True,
    )

    tls: TlsSettings = Field(description="certificate of the loadtests client, and the city's CA")
    peers: dict[str, str] = Field(
        default={}, description='JSON, {"sensors": "host:port", "cameras": "host:port", …}'
    )
    seed: int = Field(default=1, description="the city; the same seed is the same city")
    call_seconds: float = Field(default=10, gt=0, description="deadline of each call")

    air: bool = Field(default=True, description="play the air into sensors")
    hours_per_second: float = Field(
        default=0.1, gt=0, le=1000, description="modelled hours a second, until it is now"
    )
    start: AwareDatetime | None = Field(
        default=None,
        description="first modelled time of the air; without it after the last one sensors knows, "
        "else 60 days ago",
    )

    cameras: bool = Field(default=True, description="play the cameras into cameras")
    cameras_rate: float = Field(
        default=0.1,
        ge=0,
        le=4,
        description="detections, as a share of the city's normal rate of 60 to 600 a second",
    )
    alarms_per_hour: float = Field(
        default=60, ge=0, le=36_000, description="false alarms over the city, beside the rate"
    )

    parking: bool = Field(default=True, description="play the alley into parking")
    parking_rate: float = Field(
        default=12, ge=0, le=600, description="drivers a minute, on the day's average"
    )

    health: bool = Field(default=True, description="play kiosks and people into health")
    health_rate: float = Field(
        default=6, ge=0, le=600, description="kiosk sessions a minute, on the day's average"
    )
    acute_per_hour: float = Field(
        default=4, ge=0, le=3_600, description="acute sessions, beside the rate; 119 is called"
    )

    scenes: Annotated[str, AfterValidator(_names)] | None = Field(
        default=None, description=f"all, or names with commas: {', '.join(SCENES)}"
    )
    played: Path | None = Field(
        default=None, description="with scenes: file for what was played and must come of it"
    )
    background: float = Field(
        default=0.1, ge=0, le=4, description="with scenes: the cameras' rate meanwhile; 0 is none"
    )
    scene_seconds: float = Field(
        default=300, gt=0, description="a scene that takes longer could not be played"
    )

    def scene_names(self) -> tuple[str, ...]:
        """The scenes to play, in the catalogue's order."""
        asked = SCENES if self.scenes == "all" else (self.scenes or "").split(",")
        return tuple(name for name in SCENES if name in asked)

    def address(self, department: str) -> str:
        """host:port of a department. Raises SettingsError."""
        if address := self.peers.get(department):
            return address
        raise SettingsError(f"--peers (LOADTESTS_PEERS): expected an address of {department}")
