"""Acute cases, and what a responder may be told of them."""
