"""The stand-in room as a whole."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from aiohttp import web

from loadtests.rooms.control import Control
from loadtests.rooms.faults import Faults, Mode
from loadtests.rooms.record import Record, utc_now
from loadtests.rooms.scsns import Scsns
from loadtests.rooms.sender import SendReport, SendRequest, send
from loadtests.rooms.sessions import Sessions
from loadtests.rooms.settings import RoomSettings
from loadtests.rooms.tally import Counts, RecordedEvent

_MAX_BODY = 1 << 20
_SHUTDOWN_SECONDS = 0.3


class Room:
    """A stand-in for a room outside the city; `async with Room(settings).running() as room`.

    Opening raises RecordError for an unusable record. `clock` gives seconds, monotonic, for
    session keys and timed faults; `now` is the room's own time, for its record and who asks.
    """

    def __init__(
        self,
        settings: RoomSettings,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings = settings
        self._now = now
        self.port = 0
        self._faults = Faults(clock)
        self._sessions = Sessions(settings.session_seconds, settings.max_sessions, clock)
        self._record = Record(settings.record, now)
        self._scsns = Scsns(settings, self._sessions, self._faults, self._record)

    @property
    def url(self) -> str:
        """Base address, once it runs."""
        return f"http://{self.settings.host}:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Room"]:
        """Serve until the block ends; a call still under way then is cut off."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.add_routes(self._scsns.routes())
        app.add_routes(
            Control(
                self._scsns,
                self._faults,
                self._sessions,
                self._record,
                self._now,
                self.settings.send_seconds,
            ).routes()
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        try:
            await runner.setup()
            await web.TCPSite(runner, self.settings.host, self.settings.port).start()
            self.port = runner.addresses[0][1]
            yield self
        finally:
            await runner.cleanup()
            self._record.close()

    def counts(self) -> Counts:
        """What it got so far."""
        return self._scsns.counts()

    def events(self, after: int = 0) -> list[RecordedEvent]:
        """Up to 1,000 accepted events that follow the first `after`; reads the file."""
        return self._record.page(after)

    def set_mode(self, mode: Mode) -> None:
        """Be up, down or slow from now."""
        self._faults.set(mode)

    def expire_sessions(self) -> int:
        """End every session key; the number that were known."""
        return self._sessions.expire()

    async def send(self, request: SendRequest) -> SendReport:
        """AUTH and EVENT at a peer. Raises SendError."""
        return await send(request, self.settings.send_seconds)
