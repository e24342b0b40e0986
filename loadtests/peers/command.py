"""The command: all contenders on the same events, in turn, each on one core."""

import argparse
import asyncio
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from loadtests.peers import latency, paced, scaling, stack
from loadtests.peers.contender import BASE, CONTENDERS, OURS, Contender
from loadtests.peers.figures import Figures, as_json, table
from loadtests.peers.jobs import city
from loadtests.peers.jobs.stage import JOBS
from loadtests.peers.latency import Paced
from loadtests.peers.paced import Plan
from loadtests.peers.scaling import Scaled, Size
from loadtests.peers.stack import Stack
from loadtests.peers.task import Result
from loadtests.peers.turn import Agreement, turn


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("expected two cores: one for the contender, one for broker and database")
    # What is started from here on inherits it: the stack, and this process.
    os.sched_setaffinity(0, set(cores[:-1]))
    only = [one for one in CONTENDERS if not options.only or one.module in options.only]
    for one in only:
        one.prepare()
    with ExitStack() as parts:
        state = options.state
        if state is None:
            state = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="peers-")))
            parts.enter_context(stack.started(state))
        for job in options.job or JOBS:
            running = Stack(state, city.of(job))
            if options.scaling:
                _scaling(running, options.events, options.rounds, cores)
                continue
            if not options.filled:
                running.empty(running.city.topic)
                # At a rate only what is sent then counts.
                number = 1 if options.rate else options.events
                asyncio.run(running.fill(running.city.events(number)))
            if options.rate:
                _latency(running, only, options.rate, options.seconds, options.rounds, cores[-1])
            else:
                _throughput(running, only, options.events, options.rounds, cores[-1])


def _throughput(
    running: Stack, only: Sequence[Contender], events: int, rounds: int, core: int
) -> None:
    results: dict[str, list[Result]] = {one.name: [] for one in only}
    agreement = Agreement()
    for number, contender in _turns(only, rounds):
        with turn(running, contender, str(number), events, [core]) as now:
            result = now.run()
            agreement.check(contender.name, now.outcome())
        results[contender.name].append(result)
        _say(
            f"round {number + 1}  {contender.name:<23}{events / result.wall:>8,.0f} events/s"
            f"{result.cpu / events * 1e6:>8.1f} µs CPU/event{agreement.size:>8,} told"
        )
    figures = {name: Figures.of(runs, events) for name, runs in results.items()}
    job, base = running.city.job, figures.get(BASE.name)
    _say(f"\n{job}: {events:,} events, the same {agreement.size:,} told by all contenders")
    _say("\n".join(table(figures, BASE.name)))
    _say(
        json.dumps(
            {
                "job": job,
                "events": events,
                "told": agreement.size,
                "contenders": {name: as_json(one, base) for name, one in figures.items()},
            },
            ensure_ascii=False,
        )
    )


def _latency(
    running: Stack, only: Sequence[Contender], rate: float, seconds: float, rounds: int, core: int
) -> None:
    plan = Plan(running.city, asyncio.run(paced.frame(running)), rate, seconds)
    events = len(plan.records)
    runs: dict[str, list[Paced]] = {one.name: [] for one in only}
    agreement = Agreement()
    for number, contender in _turns(only, rounds):
        label = f"paced-{number}"
        with turn(running, contender, label, events, [core], skip=True) as now:
            one = paced.run(now, plan)
            agreement.check(contender.name, now.outcome())
        runs[contender.name].append(one)
        _say(
            f"round {number + 1}  {contender.name:<23}p50 {one.p50:>7.1f} ms  p99 {one.p99:>7.1f}"
            f" ms  send lag p99 {one.lag:.1f} ms{'' if one.valid else '  INVALID'}"
        )
    base = BASE.name
    _say(
        f"\n{running.city.job}: {rate:,.0f} events/s for {seconds:.0f} s after a warm-up of"
        f" {paced.WARM_SECONDS} s, the same {agreement.size:,} told by all contenders"
    )
    _say("\n".join(latency.table(runs, base)))
    figures = {name: latency.as_json(some, runs.get(base)) for name, some in runs.items()}
    found = {"job": running.city.job, "rate": rate, "seconds": seconds, "contenders": figures}
    _say(json.dumps(found, ensure_ascii=False))


def _scaling(running: Stack, events: int, rounds: int, cores: list[int]) -> None:
    """Workers have all cores, as broker and database have but the last one."""
    topic = running.city.topic
    before = running.partitions(topic)
    runs: dict[Size, list[Scaled]] = {size: [] for size in scaling.SIZES}
    made = running.city.events(events)
    agreement = Agreement()
    asyncio.run(running.fill(()))  # so that the department's tables are there
    try:
        for number in range(rounds):
            for size in scaling.SIZES if number % 2 == 0 else reversed(scaling.SIZES):
                running.recreate(topic, size.partitions)
                label = f"scaling-{number}-{size.partitions}-{size.workers}"
                with turn(running, OURS, label, events, cores, held=True) as now:
                    one = scaling.run(now, size.workers, lambda: asyncio.run(running.fill(made)))
                    agreement.check(str(size), now.outcome())
                runs[size].append(one)
                _say(
                    f"round {number + 1}  {size.partitions} partitions  {size.workers} workers"
                    f"{one.rate:>10,.0f} events/s{one.cpu * 1e6:>8.1f} µs CPU/event"
                )
    finally:
        running.recreate(topic, before)
    laws = scaling.laws(runs)
    _say(f"\n{running.city.job}: {events:,} events, the same {agreement.size:,} told by all sizes")
    _say("\n".join(scaling.table(runs)))
    _say("\n".join(f"USL over {name}: {law}" for name, law in laws.items()))
    figures = {
        "job": running.city.job,
        "sizes": scaling.as_json(runs),
        "laws": {name: dataclasses.asdict(law) for name, law in laws.items()},
    }
    _say(json.dumps(figures, ensure_ascii=False))


def _turns(only: Sequence[Contender], rounds: int) -> Iterator[tuple[int, Contender]]:
    """Another goes first in each round."""
    for number in range(rounds):
        first = number % len(only)
        for contender in (*only[first:], *only[:first]):
            yield number, contender


def _say(text: str) -> None:
    print(text, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loadtests.peers", description=__doc__)
    parser.add_argument("--job", choices=JOBS, action="append", help="without it both")
    parser.add_argument("--events", type=int, default=60_000, help="of throughput runs")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="measure latency at so many events a second"
    )
    parser.add_argument(
        "--scaling", action="store_true", help="citymesh over partitions and worker processes"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of a run with --rate")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contender")
    modules = [one.module for one in CONTENDERS]
    parser.add_argument("--only", nargs="*", choices=modules, help="contenders; without it all")
    parser.add_argument("--state", type=Path, help="a stack that runs, instead of one of its own")
    parser.add_argument("--filled", action="store_true", help="the running stack has the events")
    return parser.parse_args(arguments)
