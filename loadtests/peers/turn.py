"""One run of one contender: set back, run, read what it told."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from loadtests.peers.contender import Contender
from loadtests.peers.jobs.city import Outcome
from loadtests.peers.jobs.stage import places_json
from loadtests.peers.stack import Ends, Stack
from loadtests.peers.task import Result, Task


class DisagreeError(Exception):
    """Two contenders made different things of the same events."""


@dataclass(frozen=True)
class Turn:
    """What is ready for a run: its task, and from where on what it tells is to be read."""

    stack: Stack
    contender: Contender
    task: Task
    topics: tuple[str, ...]
    since: Ends

    def environment(self) -> Mapping[str, str]:
        if not self.contender.ours:
            return {}
        prefix = self.stack.city.service.upper()
        return {
            **self.stack.environment,
            **{f"{prefix}_{server}__PORT": "0" for server in ("GRPC", "HTTP")},
            f"{prefix}_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            # Nobody's silence is of the job, and in a long run all stations are silent.
            "SENSORS_SILENCE_EVERY_SECONDS": "86400",
        }

    def run(self) -> Result:
        return self.contender.run(self.task, self.environment())

    def outcome(self) -> Outcome:
        return self.stack.city.outcome(asyncio.run(self.stack.told(self.topics, self.since)))


@contextmanager
def turn(
    stack: Stack,
    contender: Contender,
    label: str,
    events: int,
    cores: list[int],
    skip: bool = False,
    held: bool = False,
) -> Iterator[Turn]:
    """skip: the group begins behind what is on the topic now."""
    city = stack.city
    name = f"peers.{city.job}.{contender.module}.{os.getpid()}.{label}"
    group = city.service if contender.ours else name
    stack.forget(group)
    if contender.ours:
        topics, output = tuple(city.outputs), ""
    else:
        topics, output = (f"{name}.told",), f"{name}.told"
        stack.create(output)
    since = asyncio.run(stack.ends(topics))
    before = 0
    if skip:
        ends = asyncio.run(stack.ends([city.topic]))
        stack.skip(group, ends)
        before = sum(ends.values())
    with tempfile.TemporaryDirectory(prefix="contender-") as folder:
        task = Task(
            job=city.job,
            topic=city.topic,
            partitions=stack.partitions(city.topic),
            events=events,
            output=output,
            group=group,
            bootstrap=stack.bootstrap,
            username=stack.username,
            password=stack.password,
            dsn=stack.dsn,
            cores=cores,
            folder=folder,
            before=before,
            places=places_json(city.places()),
            held=held,
        )
        yield Turn(stack, contender, task, topics, since)


class Agreement:
    """That all runs have the same outcome."""

    def __init__(self) -> None:
        self._agreed: Outcome | None = None

    @property
    def size(self) -> int:
        return len(self._agreed or ())

    def check(self, name: str, outcome: Outcome) -> None:
        """Raises DisagreeError; the first run says what is expected, and that is something."""
        if self._agreed is None:
            self._agreed = outcome
        if not outcome or outcome != self._agreed:
            raise DisagreeError(_difference(name, outcome, self._agreed))


def _difference(name: str, outcome: Outcome, agreed: Outcome) -> str:
    differ = sorted(
        (one for one in outcome.keys() | agreed.keys() if outcome.get(one) != agreed.get(one)),
        key=str,
    )
    first = differ[0] if differ else ""
    return (
        f"{name}: {len(outcome)} told, expected {len(agreed)}; {len(differ)} differ, the first"
        f" {first}: {outcome.get(first)}, expected {agreed.get(first)}"
    )


Say = Callable[[str], None]
