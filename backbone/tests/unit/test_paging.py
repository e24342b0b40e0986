"""Page tokens come back as they were made; others are refused."""

import base64
from contextlib import suppress

import pytest
from city_backbone.errors import InvalidArgument
from city_backbone.rpc.paging import (
    DEFAULT_PAGE,
    MAX_PAGE,
    page_size,
    page_token,
    parse_page_token,
)
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.text() | st.integers(), min_size=1))
def test_a_token_comes_back_as_it_was_made(values: list[str | int]) -> None:
    assert parse_page_token(page_token(values)) == values


def test_no_token_is_the_first_page() -> None:
    assert parse_page_token("") == []


@given(st.text(min_size=1) | st.binary(min_size=1).map(lambda b: base64.b64encode(b).decode()))
def test_no_token_raises_anything_but_invalid_argument(token: str) -> None:
    with suppress(InvalidArgument):
        assert isinstance(parse_page_token(token), list)


@pytest.mark.parametrize(
    "text", ["", "null", "{}", "[1.5]", "[[1]]", "[null]", "[" * 200_000, "\ud55c"]
)
def test_what_we_did_not_make_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="page_token"):
        parse_page_token(base64.urlsafe_b64encode(text.encode()).decode() or "*")


def test_page_sizes() -> None:
    assert page_size(0) == DEFAULT_PAGE
    assert [page_size(1), page_size(MAX_PAGE)] == [1, MAX_PAGE]
    for wrong in (-1, MAX_PAGE + 1):
        with pytest.raises(InvalidArgument, match=f"page_size: expected 1 to .*{wrong}"):
            page_size(wrong)
