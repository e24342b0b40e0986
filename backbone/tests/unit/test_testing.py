"""What the plugin gives whoever tests with it."""

from hypothesis import settings


def test_a_property_may_take_its_time() -> None:
    assert settings().deadline is None
