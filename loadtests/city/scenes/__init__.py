"""Scripted scenes on sites of their own, each with the outcome it must have."""
