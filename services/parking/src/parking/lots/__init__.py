"""Lots, what they cost and when, bays and their owners' terms, and what is free where."""
