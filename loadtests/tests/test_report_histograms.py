"""What is told of a histogram is what the library tells of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.report import histograms
from loadtests.tests.report_sample import empty


@given(st.lists(st.integers(1, 3_600_000_000), min_size=1, max_size=20))
@settings(max_examples=25)
def test_the_mean_is_the_librarys(values: list[int]) -> None:
    histogram = empty()
    for value in values:
        histogram.record_value(value)
    told = histograms.percentiles(histogram)
    assert told.mean == pytest.approx(histogram.get_mean_value() / 1000)
    assert told.count == len(values)
