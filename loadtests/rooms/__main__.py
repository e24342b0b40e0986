"""Run a stand-in room until SIGTERM. It is outside the city; no real room is behind it."""

import asyncio
import json
import signal
import sys

from loadtests.options import OptionError, parse
from loadtests.rooms.errors import RecordError
from loadtests.rooms.room import Room
from loadtests.rooms.settings import RoomSettings


async def serve(settings: RoomSettings) -> None:
    """Serve and print one JSON line with the port when ready."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with Room(settings).running() as room:
        ready = {
            "event": "room-ready",
            "stand_in": f"a stand-in for a {settings.kind} room outside the city, not a real room",
            "kind": settings.kind,
            "port": room.port,
            "url": room.url,
            "record": str(settings.record),
        }
        print(json.dumps(ready), flush=True)
        await stopped.wait()


def main(arguments: list[str]) -> int:
    """Exit code: 0 stopped, 1 cannot start, 2 wrong settings."""
    try:
        asyncio.run(serve(parse(RoomSettings, arguments)))
    except OptionError as error:
        print(error, file=sys.stderr)
        return 2
    except (RecordError, OSError) as error:
        print(f"cannot start the stand-in room: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
