"""What keeps a fault from being made."""


class FaultError(Exception):
    """A fault that could not be made, as when its target does not run on this machine."""
