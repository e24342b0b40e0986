"""The exception tree of the city model.

CityError
├── SettingsError   a wrong option or variable
├── SliceError      a slice of time that cannot be generated
└── SensorsError    `sensors` refuses what the model sends, and will again
"""


class CityError(Exception):
    """Anything the city model raises on purpose."""


class SettingsError(CityError):
    """An option or variable is wrong; the message names it."""


class SliceError(CityError, ValueError):
    """Start or end has no time zone, or the end is before the start."""


class SensorsError(CityError):
    """A refusal that trying again does not change."""
