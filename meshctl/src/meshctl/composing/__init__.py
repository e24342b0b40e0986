"""The stack in containers: what compose.yaml mounts, and applying registrations to what it runs."""

from meshctl.composing.applying import apply, apply_inside
from meshctl.composing.looking import look
from meshctl.composing.writing import write

__all__ = ["apply", "apply_inside", "look", "write"]
