"""Headers survive the outbox, whatever bytes they hold."""

import json

from city_backbone.outbox import pack_headers, unpack_headers
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.text(), st.binary())))
def test_headers_come_back_in_order_whatever_they_hold(headers: list[tuple[str, bytes]]) -> None:
    assert unpack_headers(json.loads(json.dumps(pack_headers(headers)))) == headers


def test_a_header_without_a_value_becomes_an_empty_one() -> None:
    packed = pack_headers([("a", None), ("a", b""), ("a", b"\xff\0")])
    assert unpack_headers(packed) == [("a", b""), ("a", b""), ("a", b"\xff\0")]
