"""How fast parts grow: the slope of Theil and Sen, which a few odd samples do not move. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from statistics import median

from loadtests.driver.resources import DRIVER, OTHERS
from loadtests.driver.result import ResourceSample, SlopeFigures

_HOUR = 3600.0
_MIB = 2**20
_FEWEST = 20
# Of many samples, this many medians: all pairs are as many as their square.
_MOST = 200
_WARM_UP = 0.25
# Children that end take their time along; a part that is started anew has none.
_LESS = 0.5


def slopes(samples: Iterable[ResourceSample]) -> tuple[SlopeFigures, ...]:
    """Of each part's last process, the first quarter of its samples left out; none for a part with
    too few. The driver and others are left out: they are not the city's."""
    lines: dict[str, list[ResourceSample]] = defaultdict(list)
    for one in samples:
        line = lines[one.process]
        if line and one.cpu_seconds < line[-1].cpu_seconds * _LESS:
            line.clear()  # started anew
        line.append(one)
    return tuple(
        _of(part, line[int(len(line) * _WARM_UP) :])
        for part, line in sorted(lines.items())
        if part not in (DRIVER, OTHERS) and len(line) * (1 - _WARM_UP) >= _FEWEST
    )


def _of(part: str, line: Sequence[ResourceSample]) -> SlopeFigures:
    return SlopeFigures(
        part=part,
        seconds=line[-1].at - line[0].at,
        rss_mib_per_hour=slope([(one.at, one.rss / _MIB) for one in line]) * _HOUR,
        fds_per_hour=slope([(one.at, one.fds) for one in line]) * _HOUR,
        threads_per_hour=slope([(one.at, one.threads) for one in line]) * _HOUR,
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of y over x, in order of x: the median of the slopes between all pairs."""
    step = -(-len(points) // _MOST)
    thin = [
        (median(x for x, _ in few), median(y for _, y in few))
        for few in (points[at : at + step] for at in range(0, len(points), step))
    ]
    found = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(thin, 2) if x2 > x1]
    return median(found) if found else 0.0
