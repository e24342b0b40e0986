"""The exception tree of the city model.

CityError
├── SettingsError   a wrong option or variable
├── SliceError      a slice of time that cannot be generated
├── RefusedError    a department refuses what the city sends, and will again
└── SceneError      a scene could not be played
"""

import grpc


class CityError(Exception):
    """Anything the city model raises on purpose."""


class SettingsError(CityError):
    """An option or variable is wrong; the message names it."""


class SliceError(CityError, ValueError):
    """Start or end has no time zone, or the end is before the start."""


class RefusedError(CityError):
    """A refusal that trying again does not change; `code` is the call's status."""

    def __init__(self, department: str, method: str, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{department}: {method}: {code.name}: {details}")
        self.code = code


class SceneError(CityError):
    """A scene could not be played; the message names it and says what was missing."""
