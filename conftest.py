"""Loaded first: the folder `meshctl/` must not pass for the package of that name, and property
tests do not fail on a slow machine."""

from hypothesis import settings

import meshctl  # noqa: F401

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
