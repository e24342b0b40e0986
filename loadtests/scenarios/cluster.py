"""`python -m loadtests.scenarios.cluster`: a scenario whose shards are pods, judged.

Exit code 0 passed, 1 failed, 2 invalid. There is no meshctl and no stack's folder: where things are
is said by LOADTESTS_* variables, and who may read what by those that `meshctl env` prints of the
operator and of departments.
"""

import asyncio
import os
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from yarl import URL

from loadtests.checker.tables import DEPARTMENTS, dsn
from loadtests.driver.coordinator import ShardError
from loadtests.driver.operations import kafka
from loadtests.driver.operations.calling import SettingError
from loadtests.driver.plan import Plan
from loadtests.driver.result import EXIT_CODES, Result, Run
from loadtests.driver.run import Standing, run
from loadtests.options import OptionError, parse
from loadtests.scenarios import scenario as scenarios
from loadtests.scenarios.archive import lines
from loadtests.scenarios.conduct import Sight, folder_of, judged, planned
from loadtests.scenarios.console import NOT_RUN, console, progressing, say_not_run, show
from loadtests.scenarios.scenario import Scenario
from loadtests.scenarios.stopping import run_until_stopped

_OUTSIDE = "`python -m loadtests.scenarios run` makes it, against a stack on its own machine"
_OWN = "leave it out in a scenario of your own"
_LOGINS = ("OPERATOR", "HEALTH")
_AGAIN_SECONDS = 5.0
_DELIVER_SECONDS = 120.0


def _place(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("expected host:port")
    return text


class ClusterSettings(BaseSettings):
    """Runs a scenario with shards that call here, and judges it."""

    model_config = SettingsConfigDict(
        env_prefix="LOADTESTS_",
        extra="ignore",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_prog_name="python -m loadtests.scenarios.cluster",
        frozen=True,
    )

    scenario: str = Field(description="its name, or a file of one's own")
    shards: int = Field(ge=1, le=256, description="how many will call")
    seed: int = Field(default=1, description="the same seed makes the same calls")
    stretch: float = Field(default=1.0, gt=0, description="phases so many times as long")
    listen: Annotated[str, AfterValidator(_place)] = Field(
        default="0.0.0.0:7000", description="host:port for the shards, and for nobody else"
    )
    metrics: dict[str, str] = Field(
        description="JSON, by department: http://host:port/metrics of its stream processes, one at "
        "each address of the host"
    )
    rooms: dict[str, str] = Field(
        default={}, description='JSON, URLs of stand-ins: {"room-112": "http://host:port", …}'
    )
    rooms_unwatched: bool = Field(
        default=False, description="judge by topics alone; rooms may be real, and act"
    )
    alone: bool = Field(default=False, description="nobody but this run sends anything")
    prepare_seconds: float = Field(
        default=600, gt=0, description="for the city to be prepared, and again for shards to come"
    )
    out: Path = Field(default=Path("out"), description="where the run's folder is made")


def refusals(
    scenario: Scenario, settings: ClusterSettings, environment: Mapping[str, str]
) -> Iterator[str]:
    """In words, with the field, what a run in a cluster cannot make or cannot see."""
    if scenario.faults:
        yield f"faults: the pods are their departments': {_OUTSIDE}"
    if scenario.chaos:
        yield f"chaos: the pods are their departments': {_OUTSIDE}"
    if scenario.search and scenario.search.phase is None:
        yield f"search: which resource binds is not seen from here: {_OUTSIDE}"
    watched = {one for ratio in scenario.gates.freshness_ratio.values() for one in ratio.effects}
    for room in sorted(one for one in watched - set(settings.rooms) if one.startswith("room-")):
        yield f"gates.freshness_ratio: {room} is not among LOADTESTS_ROOMS: {_OWN}"
    if scenario.gates.slopes:
        yield f"gates.slopes: what pods use is in the city's dashboards, and not seen here: {_OWN}"
    for phase in scenario.phases:
        for name in phase.rates:
            if kafka.offers(name):
                yield (
                    f"phases.{phase.name}.rates.{name}: only the topic's owner may write it: {_OWN}"
                )
    if not settings.rooms and not settings.rooms_unwatched:
        yield (
            "LOADTESTS_ROOMS: alarms end in rooms, and it names none: name this city's stand-ins,"
            " or set LOADTESTS_ROOMS_UNWATCHED where a false alarm hurts nobody"
        )
    needed = [f"{who}_KAFKA__PASSWORD" for who in _LOGINS]
    needed += [f"{one.upper()}_DATABASE__DSN" for one in DEPARTMENTS if not dsn(environment, one)]
    for name in needed:
        if not environment.get(name):
            yield f"{name}: missing; the checker reads by it"


async def reduce(
    settings: ClusterSettings,
    scenario: Scenario,
    environment: Mapping[str, str],
    folder: Path,
    progress: Callable[[Standing], None],
) -> Result:
    """The result, in `folder` with all that it is made of. Raises ScenarioError for what cannot be
    run here, and what preparing raises."""
    if refused := list(refusals(scenario, settings, environment)):
        raise scenarios.ScenarioError("\n".join(refused))
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    command = f"loadtests.scenarios.cluster {settings.scenario}"
    plan = planned(scenario, settings.seed, settings.shards, command)
    plan = plan.model_copy(update={"prepare_seconds": settings.prepare_seconds})
    remarks = []
    if not settings.rooms:
        remarks.append("No room was watched: effects are judged up to topics.")
    if scenario.search:
        remarks.append("No knee was searched: the rates are the scenario's own.")
    async with following(settings.metrics) as metrics:
        return await judged(
            scenario,
            plan,
            folder,
            Sight(environment, settings.alone, settings.rooms, metrics),
            lambda: _drive(plan, folder, environment, settings.listen, progress),
            remarks=remarks,
        )


def most_seconds(plan: Plan) -> float:
    """Within which a run has ended, or a shard is gone without a word."""
    return 2 * plan.prepare_seconds + plan.seconds + plan.drain_seconds + _DELIVER_SECONDS


async def _drive(
    plan: Plan,
    folder: Path,
    environment: Mapping[str, str],
    listen: str,
    progress: Callable[[Standing], None],
) -> None:
    """Raises ShardError when shards do not end, and TimeoutError when they did not begin."""
    host, _, port = listen.rpartition(":")
    most = most_seconds(plan)
    try:
        async with asyncio.timeout(most):
            await run(plan, folder, environment, listen=(host, int(port)), progress=progress)
    except TimeoutError:
        if (folder / Run.FILE).exists():
            raise ShardError(f"the shards had not ended after {most:g} s") from None
        raise TimeoutError(
            f"within {plan.prepare_seconds:g} s the city was not prepared,"
            f" or not all of {plan.shards} shards had come"
        ) from None


@asynccontextmanager
async def following(urls: Mapping[str, str]) -> AsyncIterator[Mapping[str, str]]:
    """By `department#address` the URL of each process behind a URL's host, as they come and go.

    Raises SettingError for a host that has no address to begin with.
    """
    found: dict[str, str] = {}
    for name, url in urls.items():
        try:
            found |= await _processes(name, url)
        except OSError as error:
            raise SettingError(f"LOADTESTS_METRICS: {name}: {url}: {error}") from None
    task = asyncio.create_task(_follow(urls, found))
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _follow(urls: Mapping[str, str], found: dict[str, str]) -> None:
    while True:
        await asyncio.sleep(_AGAIN_SECONDS)
        for name, url in urls.items():
            try:
                now = await _processes(name, url)
            except OSError:
                continue  # A name server that is away takes no process away.
            for gone in [one for one in found if one.startswith(f"{name}#") and one not in now]:
                del found[gone]
            found |= now


async def _processes(name: str, url: str) -> dict[str, str]:
    given = URL(url)
    answers = await asyncio.get_running_loop().getaddrinfo(
        given.host, given.port, type=socket.SOCK_STREAM
    )
    addresses = sorted({str(address[0]) for *_, address in answers})
    return {f"{name}#{one}": str(given.with_host(one)) for one in addresses}


def main(arguments: Sequence[str]) -> int:
    screen = console()
    try:
        settings = parse(ClusterSettings, arguments)
        chosen = scenarios.load(settings.scenario).stretched(settings.stretch)
        folder = folder_of(settings.out, chosen)
        with progressing(chosen, screen) as progress:
            result = run_until_stopped(reduce(settings, chosen, dict(os.environ), folder, progress))
    except (OptionError, SettingsError, *NOT_RUN) as error:
        say_not_run(screen, error)
        return EXIT_CODES["INVALID"]
    except Exception:
        # Python's own exit code would say that the city failed.
        traceback.print_exc()
        return EXIT_CODES["INVALID"]
    for line in lines(folder):
        print(line, flush=True)
    show(result, folder, screen)
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
