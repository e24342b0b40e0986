"""Events that services consumed and buried over a run, from counters that begin anew with each
process, and how far their streams were behind. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from loadtests.driver.result import EventFigures, EventSample, LagSample, TimeLagFigures
from loadtests.report.recovery import lags, steady_lag

# Seconds without an answer at the end: the service is away.
_SILENCE = 3


def events(samples: Iterable[EventSample], began: float) -> tuple[EventFigures, ...]:
    """What a process had counted when it was first seen is before the run, unless it `began` after
    the run did (seconds since 1970). What it counts after its last sample nobody knows."""
    first: dict[tuple[str, str, float], EventSample] = {}
    last: dict[tuple[str, str, float], EventSample] = {}
    for one in samples:
        place = (one.service, one.topic, one.began)
        first.setdefault(place, one)
        last[place] = one
    totals: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for (service, topic, process), now in last.items():
        before = first[service, topic, process]
        if process > began:
            before = before.model_copy(update={"consumed": 0.0, "dead": 0.0})
        total = (now.consumed - before.consumed, now.dead - before.dead)
        totals[service, topic].append(total)
    return tuple(
        EventFigures(
            service=service,
            topic=topic,
            consumed=round(sum(consumed for consumed, _ in found)),
            dead=round(sum(dead for _, dead in found)),
            processes=sum(consumed > 0 for consumed, _ in found),
        )
        for (service, topic), found in sorted(totals.items())
    )


def time_lags(samples: Iterable[LagSample], began: float) -> tuple[TimeLagFigures, ...]:
    """From `began`, seconds since 1970, on; of several processes of a service the worst."""
    kept = [one for one in samples if one.at >= began]
    end = max((int(one.at - began) for one in kept), default=0)
    return tuple(
        TimeLagFigures(
            service=service,
            topic=topic,
            last=steady_lag(line, end) if max(line) > end - _SILENCE else None,
            worst=max(steady_lag(line, second) for second in line),
        )
        for (service, topic), line in sorted(lags(kept, began).items())
    )
