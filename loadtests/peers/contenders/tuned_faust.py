"""Faust with the settings that were measured as best (the backbone's own stream/app.py)."""

from typing import Any

import uvloop

from loadtests.peers import task
from loadtests.peers.contenders import faust_agent
from loadtests.peers.contenders.faust_agent import Agent
from loadtests.peers.task import Result, Task


def create(what: Task) -> Any:
    return faust_agent.create(
        what,
        broker_max_poll_records=500,
        broker_commit_interval=task.COMMIT_SECONDS,
        producer_acks=-1,
        processing_guarantee="at_least_once",
        stream_wait_empty=False,
        topic_partitions=what.partitions,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        logging_config=None,
        loghandlers=[],
        autodiscover=False,
    )


async def run(what: Task) -> Result:
    app = create(what)
    agent = Agent(what, app, confirmed=True)
    app.finalize()
    await app.start()
    try:
        return await agent.result()
    finally:
        await app.stop()


if __name__ == "__main__":
    task.answer(uvloop.run(run(task.read())))
