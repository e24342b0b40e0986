"""Play the modelled city into sensors until SIGTERM."""

import asyncio
import signal
import sys

import structlog
from city.sensors.v1.sensors_pb2_grpc import SensorsServiceStub
from city_backbone import logging
from city_backbone.rpc.channel import open_channel

from loadtests.city.errors import CityError, SettingsError
from loadtests.city.player import Player
from loadtests.city.settings import CitySettings
from loadtests.options import OptionError, parse


async def play(settings: CitySettings) -> None:
    """Play until SIGTERM or SIGINT. Raises CityError."""
    playing = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if playing is not None:
            loop.add_signal_handler(number, playing.cancel)
    try:
        channel = open_channel(settings.sensors_address(), settings.tls, server_name="sensors")
    except OSError as error:
        raise SettingsError(f"--tls (LOADTESTS_TLS__*): {error}") from error
    player = Player(SensorsServiceStub(channel), settings)
    try:
        await player.run()
    except asyncio.CancelledError:
        structlog.get_logger(__name__).info("city-stopped", **player.outcome)
    finally:
        await channel.close()


def main(arguments: list[str]) -> int:
    """Exit code: 0 stopped, 1 refused by sensors, 2 wrong settings."""
    try:
        settings = parse(CitySettings, arguments)
        logging.configure("loadtests")
        asyncio.run(play(settings))
    except (OptionError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    except CityError as error:
        print(f"the city cannot be played: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
