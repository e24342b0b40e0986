"""What moves in the city, for the live table: events on the topics, messages in the room."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from meshctl import kafka
from meshctl.credentials import ADMIN
from meshctl.live import Rows
from meshctl.parts.rooms import ROOMS, listener
from meshctl.ports import HOST
from meshctl.stack import Stack

_TITLES = {
    "sensors.reading-taken.v1": "readings",
    "sensors.hourly-mean-computed.v1": "hourly means",
    "sensors.air-quality-assessed.v1": "air assessed",
    "sensors.air-alert-changed.v1": "alert changes",
    "cameras.object-detected.v1": "detections",
    "cameras.alarm-raised.v1": "camera alarms",
    "cameras.alarm-escalated.v1": "alarms escalated",
    "parking.booking-changed.v1": "bookings moved on",
    "parking.bay-status-changed.v1": "bay changes",
    "parking.lot-occupancy-changed.v1": "lots counted",
    "parking.settlement-posted.v1": "settlements",
    "parking.dispute-opened.v1": "parking disputes",
    "health.measurement-taken.v1": "measurements",
    "health.acute-reading-detected.v1": "acute readings",
    "health.follow-up-due.v1": "follow-ups due",
    "emergency.incident-changed.v1": "incident changes",
}
_SECONDS = 1.5


class Moving:
    """Counts events by the topics' end offsets, so that looking costs the services nothing."""

    def __init__(self) -> None:
        self._admin: AdminClient | None = None

    async def rows(self, stack: Stack) -> Rows:
        """Title and count, with the rooms' when there are any."""
        rows = await asyncio.to_thread(self._topics, stack)
        for room in ROOMS:
            port = stack.ports.get(listener(room.name))
            if port is not None:
                counts = await asyncio.to_thread(_room, port)
                told = f"{counts['effects']}, {counts['open_occurrences']} open"
                rows.append((f"told the {room.name} room", told))
        return rows

    def _topics(self, stack: Stack) -> list[tuple[str, str]]:
        if self._admin is None:
            address = f"{HOST}:{stack.ports['kafka']}"
            self._admin = kafka.admin(address, ADMIN, stack.credentials.kafka[ADMIN])
        known = self._admin.list_topics(timeout=_SECONDS).topics
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        wanted = {
            TopicPartition(topic, number): latest
            for topic in _TITLES
            if topic in known
            for number in known[topic].partitions
        }
        counts = dict.fromkeys(_TITLES, 0)
        for place, future in self._admin.list_offsets(wanted).items():
            try:
                counts[place.topic] += future.result(timeout=_SECONDS).offset
            except KafkaException:
                continue
        return [(_TITLES[topic], str(count)) for topic, count in counts.items()]


def _room(port: int) -> dict[str, Any]:
    address = f"http://{HOST}:{port}/control/counts"
    with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
        counts: dict[str, Any] = json.load(answer)
    return counts
