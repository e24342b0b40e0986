"""A department that exists only in the backbone's tests: it doubles what it counts."""
