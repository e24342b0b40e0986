"""Answers to rooms hold tokens, plates and what is known of people: while they wait in the queue,
only this service can read them, and neither the database's files nor its backups tell them."""

import base64
from uuid import UUID

from city_backbone.crypto import Box, derived, secret_key

_MARK = "sealed:"
_LABEL = "city.emergency.answers.v1"


class Envelope:
    """Raises SettingsError for a key that is none."""

    def __init__(self, encoded_key: str) -> None:
        self._box = Box(derived(secret_key("ANSWERS_KEY", encoded_key), _LABEL))

    def seal(self, room: str, incident_id: UUID, number: int, body: str) -> str:
        """For this place in the queue alone."""
        sealed = self._box.seal(body.encode(), _place(room, incident_id, number))
        return _MARK + base64.b64encode(sealed).decode()

    def open(self, room: str, incident_id: UUID, number: int, kept: str) -> str:
        """What was not sealed is as it is. Raises Unreadable."""
        if not kept.startswith(_MARK):
            return kept
        sealed = base64.b64decode(kept.removeprefix(_MARK))
        return self._box.open(sealed, _place(room, incident_id, number)).decode()


def _place(room: str, incident_id: UUID, number: int) -> bytes:
    return f"{room}/{incident_id}/{number}".encode()
