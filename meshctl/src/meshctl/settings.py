"""What can be set about the stack on one machine, from ``CITYMESH_*`` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from meshctl.errors import SettingsError

PREFIX = "CITYMESH_"
Port = Annotated[int, Field(ge=1024, le=65535)]
HeapSize = Annotated[str, Field(pattern=r"^\d+[mg]$")]


class Settings(BaseSettings):
    """Every setting, with its default. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    root: Path = Path()
    state: Path | None = None
    kafka_port: Port = 19092
    kafka_controller_port: Port = 19093
    registry_port: Port = 18081
    postgres_port: Port = 15432
    ports: dict[str, Port] = Field(
        default_factory=dict,
        description='ports of services, e.g. {"sensors.grpc": 50062, "sensors.http": 51062}',
    )
    kafka_heap: HeapSize = "768m"
    registry_heap: HeapSize = "384m"
    java: str = "java"
    keep_class_data: bool = Field(
        default=False, description="whether the JVM parts leave what makes their next start faster"
    )
    maven: str = "mvn"
    start_timeout: Annotated[float, Field(gt=0)] = 120.0

    @property
    def local(self) -> Path:
        """The folder of the local stack's own files."""
        return self.root / "deploy" / "local"


def load(state: Path | None = None) -> Settings:
    """The settings of the environment, and the project's folder found.

    Raises SettingsError naming the variable.
    """
    try:
        found = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise SettingsError(f"{name}: {first['msg']}, got {first['input']!r}") from None
    root = (found.root if "root" in found.model_fields_set else _project()).resolve()
    if not (root / "deploy" / "local" / "pom.xml").is_file():
        raise SettingsError(f"{root} is not a citymesh checkout: it has no deploy/local/pom.xml")
    chosen = state or found.state or root / ".citymesh"
    return found.model_copy(update={"root": root, "state": chosen.expanduser().resolve()})


def _project() -> Path:
    """The checkout that the current folder is in, else the one this package is installed from."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "deploy" / "local" / "pom.xml").is_file():
            return folder
    return Path(__file__).resolve().parents[3]
