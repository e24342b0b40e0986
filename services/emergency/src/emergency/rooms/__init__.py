"""Telling rooms: one connector per room, in order per incident, until the room has taken it."""
