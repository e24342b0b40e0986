"""A TCP proxy that can be cut, so that a part is away for one test and not for the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes bytes to `target` while it is open; held, it takes connections and passes nothing."""

    def __init__(self, target: str) -> None:
        self._host, port = target.rsplit(":", 1)
        self._port = int(port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def open(self, *, held: bool = False) -> None:
        if not held:
            self._passing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Refuse connections and break those there are."""
        self._passing.clear()
        server, self._server = self._server, None
        if server:
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._passing.wait()
            there, back = await asyncio.open_connection(self._host, self._port)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pass(reader, back))
                    group.create_task(_pass(there, writer))
            finally:
                back.transport.abort()
        except* OSError:
            pass
        finally:
            writer.transport.abort()


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    raise ConnectionResetError("the other side has closed")


@asynccontextmanager
async def proxy(target: str, *, held: bool = False) -> AsyncIterator[Proxy]:
    """A proxy to `host:port`, cut at the end."""
    opened = Proxy(target)
    await opened.open(held=held)
    try:
        yield opened
    finally:
        await opened.cut()
