"""Settings of the stand-in room: command line first, then ROOM_* variables."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

RoomKind = Literal["112", "119", "disaster"]


class RoomSettings(BaseSettings):
    """A stand-in for a 112, 119 or disaster room. It is outside the city and not a real room."""

    model_config = SettingsConfigDict(
        env_prefix="ROOM_",
        cli_kebab_case=True,
        cli_prog_name="python -m loadtests.rooms",
        frozen=True,
    )

    kind: RoomKind = Field(description="which room it stands in for")
    record: Path = Field(description="JSON-lines file of every EVENT accepted; kept over restarts")
    api_key: SecretStr = Field(min_length=1, description="the key AUTH must bring")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=0, ge=0, le=65535, description="port to listen on; 0 picks one")
    session_seconds: float = Field(default=3600, gt=0, description="life of a session key, seconds")
    max_sessions: int = Field(default=1000, ge=1, description="live session keys; the oldest goes")
    read_seconds: float = Field(default=10, gt=0, description="deadline of reading a request")
    send_seconds: float = Field(default=10, gt=0, description="deadline of each call it makes")
