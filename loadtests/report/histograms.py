"""HdrHistogram interval logs with tags: reading, merging over shards, writing. Values are
microseconds."""

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TextIO

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadtests.driver.result import Percentiles, ResultError

_MILLI = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """What was recorded under a tag in the second that begins at `second`, epoch seconds."""

    second: int
    tag: str
    histogram: HdrHistogram


def read(path: Path) -> Iterator[Interval]:
    """All of it, in the file's order. Raises ResultError for what is no such log."""
    try:
        reader = HistogramLogReader(str(path), None)
    except OSError as error:
        raise ResultError(f"{path}: {error}") from error
    try:
        while True:
            try:
                histogram = reader.get_next_interval_histogram(absolute=True)
            except Exception as error:  # the decoder raises whatever its bytes lead it to
                raise ResultError(f"{path}: a line that cannot be read: {error!r}") from error
            if histogram is None:
                return
            second = math.floor(histogram.get_start_time_stamp() / _MILLI + 1e-6)
            yield Interval(second, histogram.get_tag() or "", histogram)
    finally:
        reader.close()


def merge(logs: Sequence[Iterable[Interval]]) -> Iterator[Interval]:
    """One interval per second and tag, with all counts of all logs that are in order of time."""
    ordered = heapq.merge(*logs, key=lambda one: one.second)
    for second, intervals in groupby(ordered, key=lambda one: one.second):
        by_tag: dict[str, HdrHistogram] = {}
        for interval in intervals:
            add(by_tag, interval.tag, interval.histogram)
        for tag in sorted(by_tag):
            yield Interval(second, tag, by_tag[tag])


def add(totals: dict[str, HdrHistogram], tag: str, histogram: HdrHistogram) -> None:
    """Adds counts, exactly; the histogram given stays as it is."""
    if tag not in totals:
        totals[tag] = HdrHistogram(
            histogram.lowest_trackable_value,
            histogram.highest_trackable_value,
            histogram.significant_figures,
        )
    try:
        totals[tag].add(histogram)
    except IndexError as error:
        raise ResultError(f"{tag}: histograms of different ranges: {error}") from error


class Writer:
    """An interval log that any HdrHistogram tool reads. The library's own writer has no tags.

    It begins with the second in which `began`, epoch seconds, is: tools leave out an interval that
    is before its log's beginning, and intervals are whole seconds.
    """

    def __init__(self, file: TextIO, began: float) -> None:
        self._file = file
        file.write("#[Histogram log format version 1.3]\n")
        file.write(f"#[StartTime: {math.floor(began):.3f} (seconds since epoch)]\n")
        file.write("#[BaseTime: 0.000 (seconds since epoch)]\n")
        file.write('"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_"\n')

    def write(self, interval: Interval) -> None:
        payload = interval.histogram.encode().decode()
        longest = interval.histogram.get_max_value() / _MILLI
        self._file.write(
            f"Tag={interval.tag},{interval.second:.3f},1.000,{longest:.3f},{payload}\n"
        )


@contextmanager
def writing(path: Path, began: float) -> Iterator[Writer]:
    with path.open("w", encoding="utf-8") as file:
        yield Writer(file, began)


def counts(histogram: HdrHistogram) -> list[tuple[int, int]]:
    """Each value that was recorded, as the lowest one of its bucket, and how often; in order."""
    if not histogram.get_total_count():
        return []
    first = histogram.get_counts_array_index(histogram.get_min_value())
    last = histogram.get_counts_array_index(histogram.get_max_value())
    return [
        (histogram.get_value_from_index(first + offset), count)
        for offset, count in enumerate(histogram.counts[first : last + 1])
        if count
    ]


_NAMED = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9, "p9999": 99.99}


def percentiles(histogram: HdrHistogram | None) -> Percentiles:
    if histogram is None or not histogram.get_total_count():
        named = dict.fromkeys((*_NAMED, "min", "mean", "max"), 0.0)
        return Percentiles(count=0, **named)
    values = histogram.get_percentile_to_value_dict(list(_NAMED.values()))
    return Percentiles(
        count=histogram.get_total_count(),
        min=histogram.get_min_value() / _MILLI,
        mean=_mean(histogram) / _MILLI,
        max=histogram.get_max_value() / _MILLI,
        **{name: values[share] / _MILLI for name, share in _NAMED.items()},
    )


def _mean(histogram: HdrHistogram) -> float:
    """Of the buckets' middles, as the library has it, which takes many times as long."""
    total = sum(
        (lowest + (histogram.get_highest_equivalent_value(lowest) - lowest + 1) // 2) * count
        for lowest, count in counts(histogram)
    )
    return float(total / histogram.get_total_count())


def curve(histogram: HdrHistogram, per_decade: int = 20) -> list[tuple[float, float]]:
    """Points (1/(1 − p), milliseconds) from p = 0 up to the last call that was recorded."""
    total = histogram.get_total_count()
    if not total:
        return []
    steps = math.ceil(math.log10(total) * per_decade)
    nines = [10 ** (step / per_decade) for step in range(steps)]
    shares = [100 * (1 - 1 / one) for one in nines]
    values = histogram.get_percentile_to_value_dict(shares)
    points = [(one, values[share] / _MILLI) for one, share in zip(nines, shares, strict=True)]
    return [*points, (float(total), histogram.get_max_value() / _MILLI)]
