"""The air of nine dong as ninety IoT stations report it, and the player that sends it."""
