"""Page tokens and sizes of list calls."""

import base64
import json
from collections.abc import Sequence

from city_backbone.errors import InvalidArgument

DEFAULT_PAGE = 100
MAX_PAGE = 1000


def page_size(requested: int) -> int:
    """0 means the default. Raises InvalidArgument outside 1 to MAX_PAGE."""
    if requested == 0:
        return DEFAULT_PAGE
    if not 1 <= requested <= MAX_PAGE:
        raise InvalidArgument("page_size", f"expected 1 to {MAX_PAGE}, got {requested}")
    return requested


def page_token(values: Sequence[str | int]) -> str:
    """The place of the last row of a page, opaque to the caller."""
    return base64.urlsafe_b64encode(json.dumps(list(values)).encode()).decode()


def parse_page_token(token: str) -> list[str | int]:
    """Empty for an empty token. Raises InvalidArgument for one we did not make."""
    if not token:
        return []
    try:
        values = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str | int) for value in values):
        raise InvalidArgument("page_token", "expected a next_page_token of an earlier answer")
    return values
