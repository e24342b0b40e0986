"""Shared bays and public lots: never booked twice, and money everybody can check."""
