"""Errors a user can act on.

Every message quotes the offending value, says what was expected and what to do.
The command line prints them as one paragraph and exits with code 2; anything else
that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

__all__ = ["InputError", "OutputError"]


class InputError(ValueError):
    """The movie, model file or setting handed in cannot be used as it is."""


class OutputError(OSError):
    """The result cannot be written where it was asked to go."""
