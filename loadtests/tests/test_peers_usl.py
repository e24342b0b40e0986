"""The Universal Scalability Law is found again in what it makes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.peers.usl import Law, fit

_LAWS = st.builds(Law, st.floats(1, 1e6), st.floats(0, 0.9), st.floats(0, 0.2))
# With one alone, as measurements have it: of 62, 63 and 64 rounding errors are what is fitted.
_NUMBERS = st.lists(st.integers(2, 64), min_size=2, max_size=7, unique=True).map(
    lambda more: [1, *more]
)


@given(_LAWS, _NUMBERS)
def test_measurements_of_a_law_give_that_law(law: Law, numbers: list[int]) -> None:
    found = fit([(number, law.at(number)) for number in numbers])
    assert [found.at(n) for n in numbers] == pytest.approx([law.at(n) for n in numbers], rel=1e-6)
    assert found.rate == pytest.approx(law.rate, rel=1e-3)
    assert found.sigma == pytest.approx(law.sigma, rel=1e-3, abs=1e-4)
    assert found.kappa == pytest.approx(law.kappa, rel=1e-3, abs=1e-4)


@given(st.floats(1, 1e6), st.lists(st.floats(0.9, 1.1), min_size=4, max_size=4))
def test_noise_makes_no_coefficient_negative(rate: float, noise: list[float]) -> None:
    points = [(n, rate * n * one) for n, one in zip((1, 2, 4, 8), noise, strict=True)]
    found = fit(points)
    assert found.sigma >= 0
    assert found.kappa >= 0


def test_two_points_do_not_make_a_law() -> None:
    with pytest.raises(ValueError, match="three"):
        fit([(1, 10.0), (2, 20.0), (2, 19.0)])
