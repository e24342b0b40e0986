"""The command: all contenders on the same records, in turn, each on one core."""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cameras.alarms import facts
from cameras.alarms.alarm import Site

from services.cameras.benchmarks import load, report, stack
from services.cameras.benchmarks.job import Job, Result
from services.cameras.benchmarks.outcome import Alarms

ROOT = Path(__file__).parents[3]
VENV = ROOT / ".cache" / "benchmarks" / "quixstreams"
_SECONDS = 1800


@dataclass(frozen=True)
class Contender:
    """`module` of this package, in the project's virtual environment or its own."""

    name: str
    module: str
    own_venv: bool = False


OURS = Contender("citymesh", "ours")
CONTENDERS = (
    Contender("aiokafka loop", "bare_loop"),
    OURS,
    Contender("quixstreams", "quix", own_venv=True),
    Contender("stock Faust", "stock_faust"),
)


class DisagreeError(Exception):
    """Two contenders made different alarms of the same detections."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("expected two cores: one for the contender, one for broker and database")
    # What is started from here on inherits it: the stack, and this process.
    os.sched_setaffinity(0, set(cores[:-1]))
    _prepare()
    with ExitStack() as parts:
        state = options.state
        if state is None:
            state = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
            running = parts.enter_context(stack.started(state))
        else:
            running = stack.Stack(state)
        report.say("\n".join(_measured(options, running, cores[-1])))


def _measured(options: argparse.Namespace, running: stack.Stack, core: int) -> list[str]:
    sites = load.sites()
    if not options.filled:
        asyncio.run(running.fill(load.events(options.events, load.at(options.scale)), sites))
    only = [one for one in CONTENDERS if not options.only or one.module in options.only]
    results: dict[str, list[Result]] = {one.name: [] for one in only}
    agreed: Alarms | None = None
    for number in range(options.rounds):
        # Another goes first in each round.
        for contender in (*only[number % len(only) :], *only[: number % len(only)]):
            result, alarms = _run(contender, number, options.events, running, core, sites)
            agreed = alarms if agreed is None else agreed
            if not alarms or alarms != agreed:
                raise DisagreeError(_difference(contender.name, alarms, agreed))
            results[contender.name].append(result)
            report.say(report.one(contender.name, number, options.events, result, len(alarms)))
    assert agreed is not None
    return report.summary(results, options.events, len(agreed), CONTENDERS[0].name)


def _run(
    contender: Contender,
    number: int,
    events: int,
    running: stack.Stack,
    core: int,
    sites: dict[str, Site],
) -> tuple[Result, Alarms]:
    name = f"benchmark.{contender.module}.{os.getpid()}.{number}"
    with tempfile.TemporaryDirectory(prefix="contender-") as folder:
        task = Job(
            topic=facts.OBJECT_DETECTED,
            partitions=stack.partitions(),
            events=events,
            output=f"{name}.alarms",
            group=name,
            bootstrap=running.bootstrap,
            username=running.username,
            password=running.password,
            core=core,
            folder=folder,
            sites=sites,
        )
        if contender is OURS:
            running.forget()
        else:
            running.create(task.output)
        result = _process(contender, task, running)
    alarms = running.stored() if contender is OURS else asyncio.run(running.told(task.output))
    return result, alarms


def _process(contender: Contender, task: Job, running: stack.Stack) -> Result:
    environment = dict(os.environ)
    python = sys.executable
    if contender.own_venv:
        python = str(VENV / "bin" / "python")
        paths = (ROOT, ROOT / "services" / "cameras" / "src", ROOT / "backbone" / "src")
        environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    if contender is OURS:
        ports = {f"CAMERAS_{server}__PORT": "0" for server in ("GRPC", "HTTP")}
        session = {"CAMERAS_KAFKA__SESSION_TIMEOUT_SECONDS": "6"}
        environment |= {**running.environment, **ports, **session}
    done = subprocess.run(
        [python, "-m", f"services.cameras.benchmarks.{contender.module}"],
        input=msgspec.json.encode(task),
        capture_output=True,
        cwd=ROOT,
        env=environment,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{contender.name}: {done.stderr.decode(errors='replace')[-3000:]}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Result)


def _prepare() -> None:
    """quixstreams' virtual environment, once."""
    requirements = Path(__file__).parent / "requirements-quixstreams.txt"
    made = VENV / "made-of.txt"
    if made.exists() and made.read_bytes() == requirements.read_bytes():
        return
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(requirements)], check=True)
    made.write_bytes(requirements.read_bytes())


def _difference(name: str, alarms: Alarms, agreed: Alarms) -> str:
    differ = sorted(
        {one for one in alarms.keys() | agreed.keys() if alarms.get(one) != agreed.get(one)}
    )
    first = differ[0] if differ else ""
    return (
        f"{name}: {len(alarms)} alarms, expected {len(agreed)}; {len(differ)} differ, the first"
        f" {first}: {alarms.get(first)}, expected {agreed.get(first)}"
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000, help="detections")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contender")
    parser.add_argument("--scale", type=float, default=1.0, help="of the city's normal rate")
    parser.add_argument("--only", nargs="*", help="modules of contenders; without it all")
    parser.add_argument("--state", type=Path, help="a stack that runs, instead of one of its own")
    parser.add_argument(
        "--filled", action="store_true", help="the running stack has the detections"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
