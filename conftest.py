"""Loaded first: the folder `meshctl/` must not pass for the package of that name."""

import meshctl  # noqa: F401
