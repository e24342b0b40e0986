"""A stand-in for a 112, 119 or disaster room, which is outside the city: no real room is behind it.

It speaks SCSNS (스마트도시 안전망서비스) both ways, can be told to be slow, down or to expire its
sessions, and counts what it got. It is a reading of the wire format of its own and shares no code
with the department that talks to it.
"""

from loadtests.rooms.errors import RecordError, RoomError
from loadtests.rooms.room import Room
from loadtests.rooms.settings import RoomSettings

__all__ = ["RecordError", "Room", "RoomError", "RoomSettings"]
