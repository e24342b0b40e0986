"""A stream that only a new process can help says so, and one that waits does not."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from city_backbone.codec import Codec
from city_backbone.database import Database
from city_backbone.settings import ServiceSettings
from city_backbone.stream.app import create_app
from city_backbone.stream.engine import Engine, Fenced, Stalled
from opentelemetry.metrics import CallbackOptions, get_meter

AT_ONCE = 1e-9  # any two looks are further apart
PLACE = ("trial.thing-seen.v1", 0)


class Consumer:
    """Stands for our transport's: tells what it was told."""

    fenced = False

    def __init__(self) -> None:
        self.told: Mapping[Any, tuple[int, int]] | Exception = {}
        self.done = 0

    async def backlog(self) -> Mapping[Any, tuple[int, int]]:
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    def handled(self, place: Any) -> int:
        return self.done


def settings_of(servers: str) -> ServiceSettings:
    kafka: Any = SimpleNamespace(
        bootstrap_servers=servers,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        username="trial",
        password=SimpleNamespace(get_secret_value=str),
        session_timeout_seconds=6.0,
        max_poll_records=500,
    )
    return ServiceSettings.model_construct(kafka=kafka, instance="trial-0", stall_seconds=AT_ONCE)


class Trial:
    """An engine whose Faust app is played by hand."""

    def __init__(self, servers: str = "127.0.0.1:1") -> None:
        settings = settings_of(servers)
        self.engine = Engine(
            "trial", settings, [], cast(Codec, None), cast(Database, None), get_meter("trial")
        )
        self.consumer = Consumer()
        self.app = SimpleNamespace(
            crashed=False,
            crash_reason=None,
            started=True,
            rebalancing_count=1,
            rebalancing=False,
            consumer=self.consumer,
        )
        self.engine._app = self.app

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.engine._watch()


@asynccontextmanager
async def listening() -> AsyncIterator[str]:
    """The address of something that takes connections, as a broker does."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_stream_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    await create_app("trial", settings_of("127.0.0.1:1")).on_first_start()
    assert not os.listdir(tmp_path)


async def test_a_backlog_that_does_not_move_is_a_stall() -> None:
    async with listening() as server:
        trial = Trial(server)
        trial.consumer.told = {PLACE: (10, 20)}
        await trial.look()
        assert trial.engine._problem is None
        with pytest.raises(Stalled, match=r"no progress on .*thing-seen"):
            await trial.look()
    assert "no progress" in (trial.engine.problem or ""), "what a probe is told"


async def test_a_backlog_that_moves_or_is_empty_is_none() -> None:
    async with listening() as server:
        trial = Trial(server)
        for done in (*range(10), 20, 20, 20):
            trial.consumer.told = {PLACE: (done, 20)}
            await trial.look()
    assert trial.engine._problem is None


async def test_a_backlog_nobody_can_tell_is_as_it_was_and_so_is_a_stall() -> None:
    async with listening() as server:
        trial = Trial(server)
        trial.consumer.told = {PLACE: (10, 20)}
        await trial.look()
        trial.consumer.told = KafkaConnectionError("away")
        with pytest.raises(Stalled, match="no progress"):
            await trial.look()


async def test_a_backlog_that_does_not_move_while_the_broker_is_away_is_no_stall() -> None:
    trial = Trial("127.0.0.1:1")
    trial.consumer.told = {PLACE: (10, 20)}
    await trial.look()
    trial.consumer.told = KafkaConnectionError("away")
    await trial.look(3)
    assert trial.engine._problem is None


async def test_a_batch_that_waits_for_a_neighbour_is_no_stall() -> None:
    async with listening() as server:
        trial = Trial(server)
        trial.consumer.told = {PLACE: (10, 20)}
        trial.engine._worker._waiting[PLACE] = "DatabaseUnavailable()"
        await trial.look(2)
        trial.engine._worker._waiting.clear()
        await trial.look()
        assert trial.engine._problem is None, "its time begins when the neighbour is back"
        with pytest.raises(Stalled):
            await trial.look()


async def test_a_name_that_another_process_has_taken_ends_this_one_with_a_clear_word() -> None:
    trial = Trial()
    trial.consumer.fenced = True
    trial.app.crashed = True
    with pytest.raises(Fenced, match="INSTANCE trial-0: another process"):
        await trial.look()
    assert "INSTANCE trial-0" in (trial.engine.problem or "")


async def test_a_watch_that_stands_still_itself_is_told() -> None:
    trial = Trial()
    trial.engine._stall_seconds = 0.01
    await asyncio.sleep(0.02)
    assert trial.engine.problem == "not watched for 0.01 s"


@pytest.mark.parametrize(
    "away", [{"started": False}, {"rebalancing": True}, {"rebalancing_count": 0}]
)
async def test_a_group_not_joined_for_long_though_the_broker_is_there_is_a_stall(
    away: dict[str, Any],
) -> None:
    async with listening() as server:
        trial = Trial(f"127.0.0.1:1,{server}")
        vars(trial.app).update(away)
        with pytest.raises(Stalled, match="consumer group not joined"):
            await trial.look(2)


async def test_a_group_not_joined_because_the_broker_is_away_waits() -> None:
    trial = Trial("127.0.0.1:1")
    trial.app.rebalancing = True
    await trial.look(3)
    assert trial.engine._away_since is None, "its time begins when the broker is back"


@pytest.mark.timeout(30)
async def test_who_is_let_in_by_no_broker_waits_for_one_until_it_is_told_to_stop() -> None:
    knocks = 0
    stopping = asyncio.Event()

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal knocks
        knocks += 1
        if knocks == 2:
            stopping.set()
        writer.transport.abort()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        trial = Trial(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        trial.app.started, started = False, False

        async def start() -> None:
            nonlocal started
            started = True

        trial.app.start = start
        waiting = asyncio.create_task(trial.engine._start(stopping))
        while not stopping.is_set():
            await asyncio.sleep(0.01)
            await trial.look(2)
        await waiting
    assert not started
    assert trial.engine._problem is None


async def test_the_time_away_is_counted_anew_after_each_join() -> None:
    async with listening() as server:
        trial = Trial(server)
        trial.engine._stall_seconds = 3600
        trial.app.rebalancing = True
        await trial.look()
        assert trial.engine._away_since is not None
        trial.app.rebalancing = False
        await trial.look()
        assert trial.engine._away_since is None


async def test_a_crashed_app_is_a_stall_with_its_reason() -> None:
    trial = Trial()
    trial.app.crashed, trial.app.crash_reason = True, RuntimeError("why")
    with pytest.raises(Stalled, match="why"):
        await trial.look()


async def test_a_partition_whose_last_offset_is_only_not_committed_yet_has_no_lag() -> None:
    trial = Trial()
    trial.engine._worker._newest[PLACE] = 1.0
    trial.consumer.told, trial.consumer.done = {PLACE: (5, 6)}, 6
    await trial.engine._measure()
    (idle,) = trial.engine._observe_lag(CallbackOptions())
    trial.consumer.done = 5
    await trial.engine._measure()
    (behind,) = trial.engine._observe_lag(CallbackOptions())
    assert idle.value == 0.0
    assert behind.value > 1e9
