"""What the department itself raises; the backbone's errors are raised where they say more.

HealthError
└── Invalid    a field of what was asked is wrong
"""


class HealthError(Exception):
    """Base of all."""


class Invalid(HealthError):
    """`field` is wrong; `expected` says what it should be and what it was."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected
