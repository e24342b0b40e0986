"""Faust as it comes: an app with its defaults, started by Faust's own command as `faust worker`.

So it has that command's logging: level WARN for what is written, but a root logger at DEBUG, for a
second handler that turns a spinner while it starts; and that command's event loop, asyncio's. Given
is what it needs to run here at all: broker and login, a folder, a free port for its web server; of
its own topics how often and in how many partitions its table's changelog is kept.
"""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from loadtests.peers import task
from loadtests.peers.contenders import faust_agent
from loadtests.peers.contenders.faust_agent import Agent
from loadtests.peers.task import Result, Task


def create(what: Task) -> Any:
    return faust_agent.create(what)


def run(what: Task) -> Result:
    app, results = create(what), list[Result]()
    agent = Agent(what, app, confirmed=False)

    async def end() -> None:
        results.append(await agent.result())
        os.kill(os.getpid(), signal.SIGTERM)  # how a worker is stopped

    app.task(end)
    sys.argv[1:] = _command()
    try:
        app.main()
    except SystemExit as ended:
        if ended.code:
            raise
    return results[-1]


def _command() -> Sequence[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Its default, 0.0.0.0, would show the tables to the whole network.
    return ["worker", "--web-port", str(port), "--web-bind", "127.0.0.1"]


if __name__ == "__main__":
    # Its banner, and what its spinner leaves when the process ends, are no answer.
    out, sys.stdout = sys.stdout, sys.stderr
    result = run(task.read())
    sys.stdout = out
    task.answer(result)
