"""How people are reached. What was given is in no error."""

import re

from city_backbone.errors import InvalidArgument

from parking.messages import words

_TELEPHONE = re.compile(r"\+?[0-9](?:[ -]?[0-9]){6,14}")
_MOST_CHARACTERS = 100


def telephone(field: str, text: str) -> str:
    """7 to 15 digits (ITU-T E.164), as they were written. Raises InvalidArgument."""
    number = text.strip()
    if not _TELEPHONE.fullmatch(number):
        raise InvalidArgument(field, "expected a telephone number, as 010-0000-0000")
    return number


def line(field: str, text: str) -> str:
    """A name, or any way to reach somebody. Raises InvalidArgument."""
    return words(field, text, _MOST_CHARACTERS)
