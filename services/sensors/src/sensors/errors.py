"""What the department itself raises; the backbone's errors are raised where they say more.

SensorsError
└── InvalidStation    a field of a station's registration is wrong
"""


class SensorsError(Exception):
    """Base of all."""


class InvalidStation(SensorsError):
    """`field` of a station is wrong; `expected` says what it should be and what it was."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected
