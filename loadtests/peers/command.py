"""The command: all contenders on the same events, in turn, each on one core."""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from loadtests.peers import stack
from loadtests.peers.contender import BASE, CONTENDERS, Contender
from loadtests.peers.figures import Figures, as_json, table
from loadtests.peers.jobs import city
from loadtests.peers.jobs.stage import JOBS
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
            if not options.filled:
                asyncio.run(running.fill(running.city.events(options.events)))
            _throughput(running, only, options.events, options.rounds, cores[-1])


def _throughput(
    running: Stack, only: Sequence[Contender], events: int, rounds: int, core: int
) -> None:
    results: dict[str, list[Result]] = {one.name: [] for one in only}
    agreement = Agreement()
    for number in range(rounds):
        # Another goes first in each round.
        for contender in (*only[number % len(only) :], *only[: number % len(only)]):
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


def _say(text: str) -> None:
    print(text, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loadtests.peers", description=__doc__)
    parser.add_argument("--job", choices=JOBS, action="append", help="without it both")
    parser.add_argument("--events", type=int, default=60_000, help="of throughput runs")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contender")
    modules = [one.module for one in CONTENDERS]
    parser.add_argument("--only", nargs="*", choices=modules, help="contenders; without it all")
    parser.add_argument("--state", type=Path, help="a stack that runs, instead of one of its own")
    parser.add_argument("--filled", action="store_true", help="the running stack has the events")
    return parser.parse_args(arguments)
