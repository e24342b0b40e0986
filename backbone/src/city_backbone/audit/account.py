"""Names of accounts, of people and of systems."""

import re

from city_backbone.errors import InvalidArgument

_ACCOUNT = re.compile(r"[0-9A-Za-z가-힣][0-9A-Za-z가-힣._@-]{0,63}")


def account(field: str, text: str) -> str:
    """Without the blanks around it. Raises InvalidArgument naming `field`."""
    name = text.strip()
    if not _ACCOUNT.fullmatch(name):
        raise InvalidArgument(field, "expected an account: 1 to 64 letters, digits, and ._@-")
    return name


def same(one: str, other: str) -> bool:
    """Whether two names are of one account; capitals and blanks around them do not count."""
    return one.strip().casefold() == other.strip().casefold()
